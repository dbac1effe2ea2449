// Emails in rows.

import { attribute, h, sync, text } from '../lib/dom.js'
import { clock, relative } from '../lib/format.js'
import { emailHref } from '../lib/route.js'
import { stateOf } from '../lib/words.js'

export function emailTable() {
  const body = h('tbody', {})
  const none = h('p', { class: 'note none' }, 'No email matches.')
  const table = h('table', { class: 'list' },
    h('thead', {}, h('tr', {}, ['State', 'Recipient', 'Subject', 'Accepted', 'Attempts', 'What happened'].map((name) =>
      h('th', { scope: 'col' }, name)))),
    body)
  return {
    node: h('div', { class: 'scroll' }, table, none),
    show(emails, filter) {
      none.hidden = emails.length > 0
      table.hidden = emails.length === 0
      // The API calls an email in flight queued too, as Resend has no word for it.
      const state = (email) => (filter.status === 'sending' ? 'sending' : stateOf(email))
      sync(body, emails.map((email) => ({ ...email, state: state(email) })), (email) => email.id, create)
    },
  }
}

function create({ id }) {
  const state = h('span', {})
  const [to, lane, subject] = [h('td', { class: 'to' }), h('span', { class: 'tag' }), h('a', { href: emailHref(id) })]
  const [accepted, attempts, news] = [h('td', { class: 'time' }), h('td', { class: 'attempts' }), h('td', { class: 'news' })]
  return {
    node: h('tr', {}, h('td', { class: 'of-state' }, state), to, h('td', { class: 'subject' }, subject, ' ', lane), accepted, attempts, news),
    update(email) {
      text(state, email.state)
      attribute(state, 'class', `chip ${email.state}`)
      const others = email.to.length - 1 + (email.cc?.length ?? 0) + (email.bcc?.length ?? 0)
      text(to, others > 0 ? `${email.to[0]} +${others}` : email.to[0])
      text(subject, email.subject)
      text(lane, email.priority === 'normal' ? '' : email.priority)
      lane.hidden = email.priority === 'normal'
      text(accepted, relative(email.created_at))
      attribute(accepted, 'title', clock(email.created_at))
      text(attempts, email.attempts)
      text(news, newsOf(email))
      attribute(news, 'title', email.last_error)
    },
  }
}

function newsOf(email) {
  const error = email.last_error ? `${email.error_class ?? 'error'}: ${email.last_error}` : ''
  const due = email.retry_at ?? email.scheduled_at
  const when = due ? `due ${relative(due)}` : email.state === 'sent' && email.finished_at ? `sent ${relative(email.finished_at)}` : ''
  return [when, error].filter(Boolean).join(' · ')
}
