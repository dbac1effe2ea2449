// Asks for the API key.

import { h, text } from '../lib/dom.js'
import { setKey } from '../lib/session.js'

/** `reason` says why the last key did not do. `begin` tries what was given. */
export function login(reason, begin) {
  const input = h('input', {
    id: 'key', name: 'key', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true,
    'aria-describedby': reason ? 'key-error key-note' : 'key-note', 'aria-invalid': reason ? 'true' : null,
  })
  const button = h('button', { class: 'primary' }, 'Open')
  const form = h('form', { class: 'panel login' },
    h('h1', {}, 'Email queue'),
    h('label', { for: 'key' }, 'API key'),
    input,
    reason && h('p', { class: 'error', id: 'key-error', role: 'alert' }, reason),
    h('p', { class: 'note', id: 'key-note' }, 'A full key, or one that may read. It is kept in this tab until you close it.'),
    button,
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    text(button, 'Opening…')
    setKey(input.value.trim())
    begin()
  })
  input.addEventListener('input', () => text(button, 'Open'))
  return form
}
