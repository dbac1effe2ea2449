// What has happened to an email, oldest first.

import { h, sync, text } from '../lib/dom.js'
import { clock, duration, workerName } from '../lib/format.js'
import { panel } from './panel.js'

export function timeline() {
  const list = h('ol', { class: 'events' })
  return {
    node: panel('Timeline', { class: 'timeline' }, list),
    update: (events) => sync(list, events.map((event, index) => ({ ...event, index })), (event) => `${event.index} ${event.at} ${event.event}`, create),
  }
}

function create(event) {
  const facts = [
    event.attempt && `attempt ${event.attempt}`,
    event.class,
    event.relay && `relay ${event.relay}`,
    event.duration_ms !== null && event.duration_ms !== undefined && duration(event.duration_ms),
    event.worker && `worker ${workerName(event.worker)}`,
  ].filter(Boolean)
  const [note, answer] = [h('span', { class: 'note' }, facts.join(' · ')), h('span', { class: 'answer', dir: 'auto' })]
  return {
    node: h('li', { class: event.event }, h('time', { datetime: event.at }, clock(event.at)), h('strong', {}, event.event), note, answer),
    update: ({ answer: said }) => {
      text(answer, said ?? '')
      answer.hidden = !said
    },
  }
}
