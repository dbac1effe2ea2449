// One email: why it is where it is, what has happened to it, and what it contains.

import { apart } from '../lib/apart.js'
import { get } from '../lib/api.js'
import { attribute, h, text } from '../lib/dom.js'
import { lastList } from '../lib/route.js'
import { canWrite } from '../lib/session.js'
import { visible } from '../lib/visible.js'
import { POSSIBLE, mayHaveArrived, subjectOf } from '../lib/words.js'
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
  const subject = h('h1', { dir: 'auto', tabindex: -1 }, 'Email')
  const buttons = h('div', { class: 'actions' })
  const [reason, about, events, body] = [why(), facts(id), timeline(), content(path, () => whole.again())]
  const missing = h('p', { class: 'panel', hidden: true }, 'There is no such email: it was discarded, or its retention is over.')
  const found = h('div', { class: 'found', hidden: true }, reason.node, about.node, events.node, body.node)
  const node = h('article', { class: 'one' },
    h('p', {}, h('a', { href: lastList(), class: 'back' }, '← Emails')),
    h('div', { class: 'title' }, state, subject, buttons), missing, found)
  let offered = ''
  let [cause, history, email] = [null, null, null]
  /** The email itself, which may be large: why it waits and what can be done is shown without it. */
  const whole = apart({
    load: (signal) => get(path, {}, signal),
    done(answer) {
      email = answer
      body.update(email)
      show()
    },
    failed: body.fail,
  })

  /** What is known when a button is pressed, which may be more than when it was made. */
  const newest = () => ({
    ...email, id, state: cause.state, priority: cause.lane, mayHaveArrived: mayHaveArrived([...history.data, { class: email?.error_class }]),
  })

  function offer(names) {
    // The buttons stay while the state does, and with them the focus.
    if (`${names}` === offered) return
    offered = `${names}`
    const hadFocus = buttons.contains(document.activeElement)
    buttons.replaceChildren(...names.map((name) =>
      h('button', { type: 'button', class: ['cancel', 'discard'].includes(name) ? 'danger' : '', onclick: () => ONE[name].run(newest()) }, ONE[name].label)))
    // What has just been done is not possible any more. The next Tab leads to what is.
    if (hadFocus) subject.focus()
  }

  function show() {
    const isThere = cause !== null && history !== null
    missing.hidden = isThere
    if (!isThere && found.contains(document.activeElement)) subject.focus()
    found.hidden = !isThere
    attribute(state, 'hidden', !isThere)
    offer(isThere && canWrite() ? (POSSIBLE[cause.state] ?? []) : [])
    if (!isThere) {
      text(subject, 'No such email')
      return
    }
    // Until a worker deletes it.
    text(state, cause.reason === 'discarded' ? 'discarded' : cause.state)
    attribute(state, 'class', `chip ${cause.state}`)
    reason.update(cause)
    events.update(history.data)
    about.update(email)
    if (email === null) return
    text(subject, subjectOf(email))
    document.title = `${visible(subjectOf(email)).slice(0, 100)} – Email queue`
  }

  async function refresh(signal) {
    [cause, history] = await Promise.all([`${path}/why`, `${path}/timeline`].map((each) => get(each, {}, signal).catch(absent)))
    show()
    if (cause === null) return
    const version = JSON.stringify([cause.state, cause.reason, cause.class, cause.lane, cause.due_at, history?.data])
    // In flight, its last error may tell that the delivery takes long.
    whole.want(version, cause.state === 'sending')
  }

  function end() {
    onChanged(() => {})
    whole.end()
  }

  return { title: 'Email', node, refresh, end }
}
