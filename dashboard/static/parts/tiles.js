// The numbers that somebody who was woken up asks for first.

import { h, text } from '../lib/dom.js'
import { compact, duration, minute as clockOf } from '../lib/format.js'

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
  ['Delivery, p95', (queue) => (isRecent(queue) ? duration(delivered(queue).latency_ms.p95) : '–'), ofDelivery],
  ['Dead letters', (queue) => compact(queue.states.failed), (queue) => `${compact(lastMinute(queue)?.failed ?? 0)} in the last minute`],
  ['Workers', (queue) => compact(queue.workers), (queue) => `${compact(queue.states.sending)} in flight`],
]

/** What is on the lists and has no record: what other programs push, until a worker claims it. */
export const others = (queue) => queue.lanes.reduce((sum, lane) => sum + lane.other_entries, 0)

const rate = (queue, name) => `${compact(lastMinute(queue)?.[name] ?? 0)}/min`

/** The newest minute in which an email was delivered. */
const delivered = ({ series }) => series.findLast((minute) => minute.latency_ms)

/** From the beginning of a minute, in ms, for how long it tells of now: while it runs, and the two after it. */
const RECENT = 180_000

const isRecent = (queue) => Date.parse(queue.time) - Date.parse(delivered(queue)?.time) < RECENT

function ofDelivery(queue) {
  const newest = delivered(queue)
  if (!newest) return 'none in the last hour'
  return isRecent(queue) ? `half within ${duration(newest.latency_ms.p50)}` : `${duration(newest.latency_ms.p95)} at ${clockOf(newest.time)}`
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
