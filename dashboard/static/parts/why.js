// Why an email has not gone out, and when it will.

import { h, text } from '../lib/dom.js'
import { clock, count, duration, workerName } from '../lib/format.js'
import { panel } from './panel.js'

/** Reasons that somebody has to do something about. */
const BAD = ['no_worker', 'relay_held_off', 'sender_held_off', 'failed']

export function why() {
  const sentence = h('p', { class: 'sentence' })
  const more = h('p', { class: 'note' })
  const node = panel('Why', { class: 'why' }, sentence, more)
  return {
    node,
    update(why) {
      node.classList.toggle('bad', BAD.includes(why.reason))
      node.classList.toggle('warn', why.reason === 'paused')
      text(sentence, why.sentence)
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
