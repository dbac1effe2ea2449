// Below the list: how many, further pages, and how far a search has come.

import { h, text } from '../lib/dom.js'
import { emails } from '../lib/format.js'

export function pages({ older, newer, stop }) {
  const line = h('p', { class: 'note', role: 'status' })
  const [back, on] = [h('button', { type: 'button', onclick: newer }, 'Newer'), h('button', { type: 'button', onclick: older }, 'Older')]
  const halt = h('button', { type: 'button', onclick: stop, hidden: true }, 'Stop')
  const node = h('div', { class: 'pages' }, line, halt, back, on)
  return {
    node,
    busy: (isBusy) => {
      node.setAttribute('aria-busy', isBusy)
      if (isBusy || halt.hidden) return
      if (document.activeElement === halt) (on.disabled ? back : on).focus()
      halt.hidden = true
    },
    searching(words) {
      halt.hidden = false
      text(line, words)
    },
    show({ page, shown, hasOlder, note }) {
      text(line, [page > 1 ? `Page ${page}` : '', emails(shown), note].filter(Boolean).join(', '))
      const focused = [back, on].find((button) => button === document.activeElement)
      back.disabled = page === 1
      on.disabled = !hasOlder
      // At an end the focus turns round, instead of being lost.
      if (focused?.disabled) (focused === back ? on : back).focus()
    },
  }
}
