// A titled part of a view: a region that screen readers can jump to.

import { h } from '../lib/dom.js'

let panels = 0

export function panel(title, attributes, ...children) {
  panels += 1
  const id = `panel-${panels}`
  const { class: more, ...rest } = attributes
  return h('section', { class: `panel ${more ?? ''}`, tabindex: -1, 'aria-labelledby': id, ...rest }, h('h2', { id }, title), ...children)
}
