// The states of emails with their numbers, as a diagram of how emails move. Each state leads to its list.

import { attribute, s, text } from '../lib/dom.js'
import { compact } from '../lib/format.js'
import { emailsHref } from '../lib/route.js'
import { panel } from './panel.js'
import { lastMinute } from './tiles.js'

const NUMBER = {
  scheduled: (queue) => queue.states.scheduled,
  queued: (queue) => queue.states.queued,
  sending: (queue) => queue.states.sending,
  delayed: (queue) => queue.states.delayed,
  failed: (queue) => queue.states.failed,
  sent: (queue) => queue.totals.sent,
}

/** Where things are: for a wide window, and for a phone. Boxes by their upper left corners; arrows as paths, with a place for a rate. */
const WIDE = {
  size: [920, 262], box: [152, 70],
  boxes: { scheduled: [8, 88], queued: [248, 88], sending: [488, 88], delayed: [368, 184], sent: [760, 30], failed: [760, 150] },
  arrows: [
    { path: 'M324 16V84', rate: 'accepted', at: [336, 46], words: 'accepted' },
    { path: 'M160 123H244' },
    { path: 'M400 123H484' },
    { path: 'M640 112C700 112 700 65 756 65', rate: 'sent', at: [660, 66], words: '' },
    { path: 'M640 134C700 134 700 185 756 185', rate: 'failed', at: [660, 196], words: '' },
    { path: 'M564 158V219H524', rate: 'delayed', at: [576, 240], words: '' },
    { path: 'M368 219H324V162' },
  ],
}
const NARROW = {
  size: [344, 382], box: [148, 66],
  boxes: { scheduled: [4, 44], queued: [192, 44], delayed: [4, 164], sending: [192, 164], sent: [4, 304], failed: [192, 304] },
  arrows: [
    { path: 'M266 6V40', rate: 'accepted', at: [254, 24], words: 'accepted', end: true },
    { path: 'M152 77H188' },
    { path: 'M266 110V160' },
    { path: 'M192 208H156', rate: 'delayed', at: [154, 248], words: '' },
    { path: 'M110 164L196 114' },
    { path: 'M230 230C230 276 110 256 110 300', rate: 'sent', at: [20, 276], words: '' },
    { path: 'M266 230V300', rate: 'failed', at: [274, 276], words: '' },
  ],
}

export function diagram() {
  const drawings = [draw(WIDE, 'wide'), draw(NARROW, 'narrow')]
  return {
    node: panel('States', { class: 'states' }, ...drawings.map((drawing) => drawing.node)),
    update: (queue) => drawings.forEach((drawing) => drawing.update(queue)),
  }
}

function draw({ size, box, boxes, arrows }, name) {
  const marker = `arrow-${name}`
  const head = s('marker', { id: marker, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto' },
    s('path', { d: 'M0 0L8 4L0 8z', class: 'arrow-head' }))
  const lines = arrows.map(({ path }) => s('path', { d: path, class: 'arrow', 'marker-end': `url(#${marker})` }))
  const rates = arrows.filter((arrow) => arrow.rate).map(({ rate, at: [x, y], words, end }) => {
    const node = s('text', { x, y, class: 'rate', role: 'img', 'text-anchor': end ? 'end' : null })
    return { node, rate, words }
  })
  const states = Object.entries(boxes).map(([state, at]) => stateBox(state, at, box))
  return {
    node: s('svg', { viewBox: `0 0 ${size.join(' ')}`, class: `diagram ${name}`, role: 'group', 'aria-label': 'States of emails' },
      s('defs', {}, head), lines, rates.map((rate) => rate.node), states.map((state) => state.node)),
    update(queue) {
      const minute = lastMinute(queue)
      for (const { node, rate, words } of rates) {
        const number = `${compact(minute?.[rate] ?? 0)}/min`
        text(node, `${words} ${number}`.trim())
        // What the arrow beside it says to those who see it.
        attribute(node, 'aria-label', `${rate} ${number}`)
      }
      for (const state of states) state.update(NUMBER[state.name](queue))
    },
  }
}

function stateBox(state, [x, y], [width, height]) {
  const number = s('text', { x: x + 16, y: y + 52, class: 'number' })
  const node = s('a', { href: emailsHref({ status: state }), class: `state ${state}` },
    s('rect', { x, y, width, height, rx: 10, class: 'box' }),
    s('rect', { x, y: y + 10, width: 4, height: height - 20, rx: 2, class: 'mark' }),
    s('text', { x: x + 16, y: y + 24, class: 'name' }, state === 'sent' ? 'sent, in total' : state),
    // For the name that screen readers make of it.
    ' ', number)
  return {
    name: state,
    node,
    update(value) {
      text(number, compact(value))
    },
  }
}
