// Says in its place what could not be had, and offers to try again.

import { h, hide, text } from '../lib/dom.js'

export function problem(again) {
  const words = h('p', { class: 'failure' })
  const node = h('div', { class: 'problem', role: 'alert', hidden: true }, words, h('button', { type: 'button', onclick: again }, 'Try again'))
  return {
    node,
    /** Shows an error, or nothing where it is null. */
    show(error) {
      text(words, error?.message ?? '')
      hide(node, !error)
    },
  }
}
