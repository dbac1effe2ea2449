// The numbers that somebody who was woken up asks for first.

import { h, text } from '../lib/dom.js'
import { compact, duration } from '../lib/format.js'

/** The last whole minute. The one that is running would always look like a dip. */
export const lastMinute = (queue) => wholeMinutes(queue).at(-1) ?? null

/** The minutes of the series that are over by the server's clock. */
export function wholeMinutes({ series, time }) {
  const running = Math.floor(Date.parse(time) / 60_000) * 60_000
  return series.filter((minute) => Date.parse(minute.time) < running)
}

const TILES = [
  ['Oldest waiting', (queue) => (queue.oldest_ms === null ? (others(queue) ? 'unknown' : 'none') : duration(queue.oldest_ms)), () => 'until handed out'],
  ['Waiting', (queue) => compact(queue.states.queued + others(queue)), (queue) => (others(queue)
    ? `${compact(others(queue))} of them only on the lists`
    : `${compact(queue.states.delayed)} delayed, ${compact(queue.states.scheduled)} scheduled`)],
  ['Sent', (queue) => rate(queue, 'sent'), (queue) => `accepted ${rate(queue, 'accepted')}`],
  ['Delivery, p95', (queue) => latency(queue, 'p95'), (queue) => `half within ${latency(queue, 'p50')}`],
  ['Dead letters', (queue) => compact(queue.states.failed), (queue) => `${compact(lastMinute(queue)?.failed ?? 0)} in the last minute`],
  ['Workers', (queue) => compact(queue.workers), (queue) => `${compact(queue.states.sending)} in flight`],
]

/** What is on the lists and has no record: what other programs push, until a worker claims it. */
export const others = (queue) => queue.lanes.reduce((sum, lane) => sum + lane.other_entries, 0)

const rate = (queue, name) => `${compact(lastMinute(queue)?.[name] ?? 0)}/min`

function latency(queue, name) {
  const newest = queue.series.findLast((minute) => minute.latency_ms)
  return newest ? duration(newest.latency_ms[name]) : '–'
}

export function tiles() {
  const cells = TILES.map(([label, value, note]) => {
    const shown = h('dd', { class: 'value' })
    const below = h('dd', { class: 'note' })
    return { node: h('div', { class: 'tile' }, h('dt', {}, label), shown, below), shown, below, value, note }
  })
  return {
    node: h('dl', { class: 'tiles' }, cells.map((cell) => cell.node)),
    update(queue) {
      for (const { shown, below, value, note } of cells) {
        text(shown, value(queue))
        text(below, note(queue))
      }
    },
  }
}
