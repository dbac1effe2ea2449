// Failures by class since the queue was created, each with the way to its emails.

import { attribute, h, sync, text } from '../lib/dom.js'
import { count } from '../lib/format.js'
import { emailsHref } from '../lib/route.js'
import { panel } from './panel.js'

export function classes() {
  const body = h('tbody', {})
  const none = h('p', { class: 'note' }, 'No attempt has failed yet.')
  const table = h('table', {},
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Class'), h('th', { scope: 'col', class: 'end' }, 'Delayed'),
      h('th', { scope: 'col', class: 'end' }, 'Failed'))),
    body)
  return {
    node: panel('Failures by class since the queue was created', { class: 'classes' }, none, table),
    update({ classes }) {
      const number = (state, name) => classes[state][name] ?? 0
      const names = [...new Set([...Object.keys(classes.failed), ...Object.keys(classes.delayed)])]
      const weight = (name) => number('failed', name) * 1e9 + number('delayed', name)
      const rows = names.sort((one, other) => weight(other) - weight(one))
      none.hidden = rows.length > 0
      table.hidden = rows.length === 0
      sync(body, rows.map((name) => ({ name, failed: number('failed', name), delayed: number('delayed', name) })), (row) => row.name, create)
    },
  }
}

function create({ name }) {
  const [delayed, failed] = [h('a', {}), h('a', {})]
  return {
    node: h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: 'end' }, delayed), h('td', { class: 'end' }, failed)),
    update(row) {
      for (const [node, state] of [[delayed, 'delayed'], [failed, 'failed']]) {
        text(node, count(row[state]))
        // None has ever been there, so there is nowhere to go.
        attribute(node, 'href', row[state] > 0 ? emailsHref({ status: state, class: name }) : null)
        attribute(node, 'aria-label', row[state] > 0 ? `${count(row[state])} ${state} by ${name}` : null)
      }
    },
  }
}
