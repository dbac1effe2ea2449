// One email: why it is where it is, what has happened to it, and what it contains.

import { get } from '../lib/api.js'
import { attribute, h, text } from '../lib/dom.js'
import { lastList } from '../lib/route.js'
import { canWrite } from '../lib/session.js'
import { visible } from '../lib/visible.js'
import { POSSIBLE, stateOf, subjectOf } from '../lib/words.js'
import { ONE, onChanged } from '../parts/actions.js'
import { content } from '../parts/content.js'
import { facts } from '../parts/facts.js'
import { timeline } from '../parts/timeline.js'
import { why } from '../parts/why.js'

function absent(error) {
  if (error.status === 404 || error.status === 422) return null
  throw error
}

export function emailView({ id, refreshSoon }) {
  onChanged(refreshSoon)
  const path = `emails/${encodeURIComponent(id)}`
  const state = h('span', { class: 'chip' })
  const subject = h('h1', { dir: 'auto', tabindex: -1 }, '…')
  const buttons = h('div', { class: 'actions' })
  const [reason, about, events, body] = [why(), facts(id), timeline(), content(path)]
  const missing = h('p', { class: 'panel', hidden: true }, 'There is no such email: it was discarded, or its retention is over.')
  const found = h('div', { class: 'found', hidden: true }, reason.node, about.node, events.node, body.node)
  const node = h('article', { class: 'one' },
    h('p', {}, h('a', { href: lastList(), class: 'back' }, '← Emails')),
    h('div', { class: 'title' }, state, subject, buttons), missing, found)
  let offered = ''
  /** The email, which may be large, and by what it was known to be as it is. */
  let [email, known] = [null, null]

  function offer(email, names) {
    // The buttons stay while the state does, and with them the focus.
    const key = `${names} ${email.priority}`
    if (key === offered) return
    offered = key
    const hadFocus = buttons.contains(document.activeElement)
    buttons.replaceChildren(...names.map((name) =>
      h('button', { type: 'button', class: ['cancel', 'discard'].includes(name) ? 'danger' : '', onclick: () => ONE[name].run(email) }, ONE[name].label)))
    // What has just been done is not possible any more. The next Tab leads to what is.
    if (hadFocus) subject.focus()
  }

  async function refresh(signal) {
    const [cause, history] = await Promise.all([`${path}/why`, `${path}/timeline`].map((each) => get(each, {}, signal).catch(absent)))
    const newest = JSON.stringify([cause?.state, cause?.reason === 'discarded', cause?.lane, cause?.due_at, history?.data])
    // In flight, its last error may tell that the delivery takes long.
    if (newest !== known || cause?.state === 'sending') {
      // Between two of the calls it may be discarded.
      email = await get(path, {}, signal).catch(absent)
      known = newest
    }
    const isThere = email !== null && cause !== null && history !== null
    missing.hidden = isThere
    found.hidden = !isThere
    attribute(state, 'hidden', !isThere)
    if (!isThere) {
      offer({}, [])
      text(subject, 'No such email')
      return
    }
    // The API's `last_event` has no word for an email in flight.
    const current = cause.state ?? stateOf(email)
    // Until a worker deletes it.
    text(state, cause.reason === 'discarded' ? 'discarded' : current)
    attribute(state, 'class', `chip ${current}`)
    text(subject, subjectOf(email))
    document.title = `${visible(subjectOf(email)).slice(0, 100)} – Email queue`
    offer(email, canWrite() ? (POSSIBLE[current] ?? []) : [])
    reason.update(cause)
    about.update(email)
    events.update(history.data)
    body.update(email)
  }

  return { title: 'Email', node, refresh, end: () => onChanged(() => {}) }
}
