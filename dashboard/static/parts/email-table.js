// Emails in rows.

import { attribute, foreign, h, sync, text } from '../lib/dom.js'
import { clock, relative } from '../lib/format.js'
import { emailHref } from '../lib/route.js'
import { stateOf, subjectOf } from '../lib/words.js'

const COLUMNS = ['State', 'Recipient', 'Subject', 'Accepted', 'Attempts', 'What happened']

// On a phone the rows are no table for the style, and would be none for a screen reader: the roles keep it one.
const cell = (attributes, ...children) => h('td', { role: 'cell', ...attributes }, ...children)

export function emailTable() {
  const body = h('tbody', { role: 'rowgroup' })
  const none = h('p', { class: 'note none', hidden: true })
  const table = h('table', { class: 'list', role: 'table', hidden: true },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, COLUMNS.map((name) => h('th', { scope: 'col', role: 'columnheader' }, name)))),
    body)
  return {
    node: h('div', { class: 'scroll' }, table, none),
    show(emails, filter) {
      none.hidden = emails.length > 0
      text(none, whyNone(filter))
      table.hidden = emails.length === 0
      // The API calls an email in flight queued too, as Resend has no word for it.
      const state = (email) => (filter.status === 'sending' ? 'sending' : stateOf(email))
      sync(body, emails.map((email) => ({ ...email, state: state(email) })), (email) => email.id, create)
    },
    /** Nothing, also no word that there is nothing. */
    clear() {
      none.hidden = true
      table.hidden = true
      sync(body, [], null, create)
    },
  }
}

/** An empty list is no fault where the overview counts more: its totals go back to the beginning of the queue. */
function whyNone({ status, class: name, ...others }) {
  if (Object.keys(others).length > 0) return 'No email matches.'
  if (['failed', 'delayed'].includes(status) && name) {
    return `No email is ${status} with class ${name} now. The overview counts since the queue was created: what it counts was sent, retried or discarded since.`
  }
  if (['sent', 'canceled'].includes(status) && !name) {
    return `No ${status} email is kept: none was ${status} yet, or their retention is over. The overview counts since the queue was created.`
  }
  return 'No email matches.'
}

function create({ id }) {
  const state = h('span', {})
  const [to, others, lane] = [foreign(''), h('span', {}), h('span', { class: 'tag' })]
  const subject = h('a', { href: emailHref(id), dir: 'auto' })
  const [accepted, attempts] = [cell({ class: 'time' }), cell({ class: 'attempts' })]
  const [due, error] = [h('span', {}), foreign('')]
  const news = cell({ class: 'news' }, due, error)
  return {
    node: h('tr', { role: 'row' }, cell({ class: 'of-state' }, state), cell({ class: 'to' }, to, others),
      cell({ class: 'subject' }, subject, ' ', lane), accepted, attempts, news),
    update(email) {
      text(state, email.state)
      attribute(state, 'class', `chip ${email.state}`)
      const more = email.to.length - 1 + (email.cc?.length ?? 0) + (email.bcc?.length ?? 0)
      text(to, email.to[0])
      text(others, more > 0 ? ` +${more}` : '')
      text(subject, subjectOf(email))
      text(lane, email.priority === 'normal' ? '' : email.priority)
      lane.hidden = email.priority === 'normal'
      text(accepted, relative(email.created_at))
      attribute(accepted, 'title', clock(email.created_at))
      text(attempts, email.attempts)
      const [when, failure] = [dueOf(email), email.last_error ? `${email.error_class ?? 'error'}: ${email.last_error}` : '']
      text(due, [when, failure && when && ' · '].filter(Boolean).join(''))
      text(error, failure)
      attribute(news, 'title', email.last_error)
    },
  }
}

function dueOf(email) {
  const due = email.retry_at ?? email.scheduled_at
  if (due) return `due ${relative(due)}`
  return email.state === 'sent' && email.finished_at ? `sent ${relative(email.finished_at)}` : ''
}
