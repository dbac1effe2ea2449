// Search and filters of the list. What is typed is asked for after a short pause.

import { h } from '../lib/dom.js'
import { CLASSES, LANES } from '../lib/words.js'

/** How long after the last key, in ms. */
const PAUSE = 400

const FIELDS = [
  { name: 'to', label: 'Recipient', type: 'search', hint: 'part of an address' },
  { name: 'subject', label: 'Subject', type: 'search', hint: 'part of it' },
  { name: 'class', label: 'Class', options: CLASSES },
  { name: 'lane', label: 'Lane', options: LANES },
  { name: 'from_time', label: 'Accepted from', type: 'datetime-local' },
  { name: 'to_time', label: 'Accepted until', type: 'datetime-local' },
]

/** Calls `changed` with the fields that are filled in, and `typing` where they are not, or no longer, those that `show` was given. */
export function filters({ changed, typing }) {
  const inputs = new Map(FIELDS.map((field) => [field.name, input(field)]))
  const clear = h('button', { type: 'button', class: 'quiet' }, 'Clear')
  const node = h('form', { class: 'panel filters', role: 'search', 'aria-label': 'Filter emails' },
    FIELDS.map(({ name, label }) => h('div', { class: 'field' }, h('label', { for: `filter-${name}` }, label), inputs.get(name))), clear)
  let timer = null
  const values = () => Object.fromEntries([...inputs].map(([name, each]) => [name, valueOf(each)]))
  let shown = {}
  const isOther = () => FIELDS.some(({ name }) => valueOf(inputs.get(name)) !== (shown[name] ?? ''))
  const stopTimer = () => {
    clearTimeout(timer)
    timer = null
  }
  const tell = () => {
    stopTimer()
    if (isOther()) changed(values())
  }
  node.addEventListener('submit', (event) => {
    event.preventDefault()
    tell()
  })
  node.addEventListener('input', (event) => {
    stopTimer()
    typing(isOther())
    timer = setTimeout(tell, event.target.type === 'search' ? PAUSE : 0)
  })
  clear.addEventListener('click', () => {
    for (const each of inputs.values()) each.value = ''
    tell()
  })
  return {
    node,
    /** Nobody waits for what was typed last any more. */
    end: stopTimer,
    show(filter) {
      shown = filter
      // What somebody is typing on is theirs.
      const typedIn = timer === null ? null : document.activeElement
      for (const [name, each] of inputs) {
        const value = filter[name] ?? ''
        if (each !== typedIn && valueOf(each) !== value) each.value = each.type === 'datetime-local' ? localOf(value) : value
      }
      if (!isOther()) stopTimer()
      const isEmpty = FIELDS.every(({ name }) => !filter[name])
      if (isEmpty && document.activeElement === clear) inputs.get('to').focus()
      clear.hidden = isEmpty
    },
  }
}

/** What the address and the API take. A time is in UTC there: a link that is sent to somebody means the same in another zone. */
function valueOf({ type, value }) {
  const date = type === 'datetime-local' && value ? new Date(value) : null
  return date && !Number.isNaN(date.getTime()) ? date.toISOString().replace('.000Z', 'Z') : value.trim()
}

/** A time in the zone of the browser, as its field takes it. */
function localOf(time) {
  const date = new Date(time)
  if (Number.isNaN(date.getTime())) return ''
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

function input({ name, type, hint, options }) {
  const id = `filter-${name}`
  if (!options) return h('input', { id, name, type, placeholder: hint, autocomplete: 'off', spellcheck: 'false', maxlength: 200 })
  return h('select', { id, name }, h('option', { value: '' }, 'any'), options.map((option) => h('option', { value: option }, option)))
}
