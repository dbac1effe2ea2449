// The lanes, from the most urgent on, each with its own pause.

import { attribute, h, sync, text } from '../lib/dom.js'
import { clock, count, duration, entries } from '../lib/format.js'
import { queue } from '../lib/queue.js'
import { emailsHref } from '../lib/route.js'
import { canWrite } from '../lib/session.js'
import { pause, resume } from './actions.js'
import { panel } from './panel.js'
import { others } from './tiles.js'

export function lanes() {
  const body = h('tbody', {})
  const table = h('table', {},
    h('thead', {}, h('tr', {},
      h('th', { scope: 'col' }, 'Lane'), h('th', { scope: 'col', class: 'end' }, 'Waiting'), h('th', { scope: 'col', class: 'end' }, 'Oldest'),
      h('th', { scope: 'col', class: 'end rate' }, 'Sent/min'), canWrite() && h('td', {}))),
    body)
  const explained = h('p', { class: 'note', hidden: true }, OTHERS)
  return {
    node: panel('Lanes', { class: 'lanes' }, table, explained),
    update: (queue) => {
      sync(body, queue.lanes, (lane) => lane.name, create)
      explained.hidden = others(queue) === 0
    },
  }
}

const OTHERS = 'Entries: what other programs have pushed to the list, and no worker has claimed yet. Canceled, discarded and moved emails leave theirs there too, until a claim drops them.'

const inSome = ({ paused_shards: some }) => (some < queue().shards ? `, in ${some} of ${queue().shards} shards` : '')

function create({ name }) {
  const waiting = h('a', { href: emailsHref({ status: 'queued', lane: name }) })
  const only = h('span', { class: 'note' })
  const [oldest, rate] = [h('td', { class: 'end' }), h('td', { class: 'end rate' })]
  const paused = h('span', { class: 'tag warn' })
  let isPaused = false
  const button = h('button', { type: 'button', class: 'small', onclick: () => (isPaused ? resume([name]) : pause([name])) })
  return {
    node: h('tr', {}, h('th', { scope: 'row' }, name, ' ', paused), h('td', { class: 'end' }, waiting, only), oldest, rate,
      canWrite() && h('td', { class: 'end' }, button)),
    update(lane) {
      isPaused = lane.paused
      paused.hidden = !lane.paused
      text(paused, lane.paused ? `paused since ${clock(lane.paused_since)}${inSome(lane)}` : '')
      text(waiting, count(lane.queued))
      attribute(waiting, 'aria-label', `${count(lane.queued)} waiting in lane ${name}`)
      only.hidden = lane.other_entries === 0
      text(only, ` + ${entries(lane.other_entries)}`)
      text(oldest, duration(lane.oldest_ms))
      text(rate, lane.sent_per_minute === null ? '–' : count(Math.round(lane.sent_per_minute)))
      text(button, lane.paused ? 'Resume' : 'Pause')
      attribute(button, 'aria-label', `${lane.paused ? 'Resume' : 'Pause'} lane ${name}`)
    },
  }
}
