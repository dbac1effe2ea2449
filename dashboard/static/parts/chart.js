// Lines over the last hour. The numbers under the pointer are in the legend; for those who do not see the lines there is a summary.

import { attribute, h, s, text } from '../lib/dom.js'
import { minute as clockOf } from '../lib/format.js'
import { panel } from './panel.js'
import { wholeMinutes } from './tiles.js'

const HEIGHT = 190
const [TOP, RIGHT, BOTTOM, LEFT] = [10, 10, 24, 56]

/** `lines` have a name, which is their class too, and `of(minute)`, a number or null. `unit` writes a number; `scale` is one of scale.js. */
export function chart({ title, unit, scale, lines, summary }) {
  const drawing = s('svg', { role: 'img', height: HEIGHT, class: 'chart' })
  const values = lines.map(() => h('b', {}))
  const time = h('span', { class: 'time' })
  const legend = h('p', { class: 'legend', 'aria-hidden': 'true' },
    lines.map((line, index) => h('span', { class: `key ${line.name}` }, line.name, ' ', values[index])), time)
  const place = h('div', { class: 'drawing' }, drawing)
  let minutes = []
  let pointed = null

  function redraw() {
    const width = place.clientWidth
    if (width === 0 || minutes.length === 0) return
    attribute(drawing, 'width', width)
    attribute(drawing, 'viewBox', `0 0 ${width} ${HEIGHT}`)
    drawing.replaceChildren(...paint(width))
    const shown = pointed === null ? minutes.length - 1 : pointed
    values.forEach((node, index) => {
      const value = lines[index].of(minutes[shown])
      text(node, value === null ? '–' : unit(value))
    })
    text(time, clockOf(minutes[shown].time))
  }

  function paint(width) {
    const highest = Math.max(...lines.flatMap((line) => minutes.map(line.of)), 0)
    const { top, label } = scale(highest)
    const x = (index) => LEFT + ((width - LEFT - RIGHT) * index) / Math.max(minutes.length - 1, 1)
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)
    const grid = [0, 0.5, 1].flatMap((part) => [
      s('line', { x1: LEFT, x2: width - RIGHT, y1: y(top * part), y2: y(top * part), class: 'grid' }),
      s('text', { x: LEFT - 8, y: y(top * part) + 4, class: 'axis', 'text-anchor': 'end' }, part === 0 ? '0' : label(top * part)),
    ])
    const every = Math.max(1, Math.ceil(minutes.length / (width > 420 ? 6 : 3)))
    const times = minutes.map((minute, index) => [minute, index])
      .filter(([, index]) => (minutes.length - 1 - index) % every === 0 && x(index) > LEFT + 14)
      .map(([minute, index]) => s('text', { x: Math.min(x(index), width - RIGHT - 14), y: HEIGHT - 6, class: 'axis', 'text-anchor': 'middle' }, clockOf(minute.time)))
    const drawn = lines.map((line) => s('path', { d: pathOf(minutes.map(line.of), x, y), class: `line ${line.name}` }))
    const first = lines[0]
    const under = s('path', { d: areaOf(minutes.map(first.of), x, y), class: `area ${first.name}` })
    const pointer = pointed === null ? [] : [s('line', { x1: x(pointed), x2: x(pointed), y1: TOP, y2: HEIGHT - BOTTOM, class: 'pointer' }),
      ...lines.filter((line) => line.of(minutes[pointed]) !== null)
        .map((line) => s('circle', { cx: x(pointed), cy: y(line.of(minutes[pointed])), r: 3.5, class: `dot ${line.name}` }))]
    return [...grid, ...times, under, ...drawn, ...pointer]
  }

  place.addEventListener('pointermove', (event) => {
    const box = place.getBoundingClientRect()
    const part = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)
    pointed = Math.max(0, Math.min(minutes.length - 1, Math.round(part * (minutes.length - 1))))
    redraw()
  })
  place.addEventListener('pointerleave', () => {
    pointed = null
    redraw()
  })
  const resized = new ResizeObserver(redraw)
  resized.observe(place)
  return {
    node: panel(title, { class: 'charted' }, legend, place),
    update(queue) {
      minutes = wholeMinutes(queue)
      attribute(drawing, 'aria-label', `${title}, the last hour: ${minutes.length === 0 ? 'nothing yet' : summary(minutes)}`)
      if (minutes.length === 0) text(time, 'The first minute is not over yet.')
      redraw()
    },
    end: () => resized.disconnect(),
  }
}

/** A line with gaps where there is no value. */
function pathOf(values, x, y) {
  let isGap = true
  return values.map((value, index) => {
    if (value === null) {
      isGap = true
      return ''
    }
    const begins = isGap
    isGap = false
    // A value alone is a short line, so that it is seen.
    const alone = begins && (values[index + 1] ?? null) === null ? 'h2' : ''
    return `${begins ? 'M' : 'L'}${x(index).toFixed(1)} ${y(value).toFixed(1)}${alone}`
  }).join('')
}

function areaOf(values, x, y) {
  const parts = []
  let from = null
  values.forEach((value, index) => {
    if (value !== null && from === null) from = index
    const ends = from !== null && (values[index + 1] ?? null) === null
    if (!ends) return
    const points = values.slice(from, index + 1).map((each, offset) => `L${x(from + offset).toFixed(1)} ${y(each).toFixed(1)}`)
    parts.push(`M${x(from).toFixed(1)} ${y(0)}${points.join('')}L${x(index).toFixed(1)} ${y(0)}Z`)
    from = null
  })
  return parts.join('')
}
