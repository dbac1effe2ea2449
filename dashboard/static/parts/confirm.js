// A question before something is changed. The dialog names what, and how many.

import { h } from '../lib/dom.js'

/** Asks, and resolves to the value of the choice or `true`; to null where it is called off. */
export function confirm({ title, lines = [], action, isDangerous = false, choice = null }) {
  const select = choice && h('select', { id: 'choice' }, choice.options.map((option) => h('option', { value: option }, option)))
  const go = h('button', { value: 'go', class: isDangerous ? 'primary danger' : 'primary' }, action)
  const dialog = h('dialog', { 'aria-labelledby': 'confirm-title' },
    h('form', { method: 'dialog' },
      h('h2', { id: 'confirm-title' }, title),
      lines.map((line) => h('p', {}, line)),
      select && h('label', { for: 'choice' }, choice.label, select),
      h('div', { class: 'buttons' }, h('button', { value: '', formnovalidate: true }, 'Leave it'), go),
    ))
  return open(dialog).then((answer) => (answer === 'go' ? (select ? select.value : true) : null))
}

function open(dialog) {
  document.body.append(dialog)
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(dialog.returnValue)
    })
  })
}

/** A dialog that shows how far something is, with a button to break it off. */
export function progress(title) {
  const line = h('p', { 'aria-live': 'polite' }, 'Beginning…')
  const bar = h('progress', { 'aria-label': title })
  const aborted = new AbortController()
  const stop = h('button', { type: 'button', onclick: () => aborted.abort() }, 'Stop')
  const dialog = h('dialog', { 'aria-labelledby': 'progress-title' },
    h('h2', { id: 'progress-title' }, title), bar, line, h('div', { class: 'buttons' }, stop))
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault()
    aborted.abort()
  })
  document.body.append(dialog)
  dialog.showModal()
  return {
    signal: aborted.signal,
    show(value, of, words) {
      if (of) {
        bar.max = of
        bar.value = Math.min(value, of)
      }
      line.textContent = words
    },
    close() {
      dialog.close()
      dialog.remove()
    },
  }
}
