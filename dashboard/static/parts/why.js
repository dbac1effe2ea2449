// Why an email has not gone out, and when it will.

import { h, text } from '../lib/dom.js'
import { clock, count, duration, workerName } from '../lib/format.js'
import { canWrite } from '../lib/session.js'
import { withTimes } from '../lib/times.js'
import { panel } from './panel.js'

/** Reasons that somebody has to do something about. */
const BAD = ['no_worker', 'relay_held_off', 'sender_held_off', 'failed']

/** The way out, by the buttons of this page. For another time it has none: the API names the request. */
const WAY_OUT = {
  resume: 'Resume the lane on the overview.',
  retry: 'To send it at once: Retry.',
  retry_or_discard: 'Once the cause is gone: Retry. To give it up: Discard.',
  move_to_high: 'To send it sooner: Move it to lane high.',
}

export function why() {
  const place = h('div', {})
  const [wayOut, more] = [h('p', {}), h('p', { class: 'note' })]
  const node = panel('Why', { class: 'why' }, place, wayOut, more)
  return {
    node,
    update(why) {
      const reasons = [why.reason, ...why.also]
      const isBad = BAD.some((reason) => reasons.includes(reason))
      node.classList.toggle('bad', isBad)
      node.classList.toggle('warn', !isBad && reasons.includes('paused'))
      const sentence = h('p', { class: 'sentence', dir: 'auto' }, withTimes(why.sentence))
      // Left alone while it says the same, with what is selected in it.
      if (place.textContent !== sentence.textContent) place.replaceChildren(sentence)
      text(wayOut, canWrite() ? (WAY_OUT[why.action] ?? why.way_out ?? '') : '')
      wayOut.hidden = wayOut.textContent === ''
      const facts = [
        why.place !== null && why.place !== undefined && `place ${count(why.place)} in lane ${why.lane}`,
        why.due_at && `due ${clock(why.due_at)}`,
        why.until && `held until ${clock(why.until)}`,
        why.relay && `relay ${why.relay}`,
        why.worker && `worker ${workerName(why.worker)}`,
        why.since && `since ${clock(why.since)}`,
        why.estimated_at && `expected ${clock(why.estimated_at)}, in about ${duration(why.estimated_ms)}`,
      ]
      text(more, facts.filter(Boolean).join(' · '))
      more.hidden = more.textContent === ''
    },
  }
}
