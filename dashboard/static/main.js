// Starts the page: finds out whether a key is needed, shows the view that the address names, and keeps it up to date.

import { get } from './lib/api.js'
import { text } from './lib/dom.js'
import { poll } from './lib/poll.js'
import { queue, setQueue } from './lib/queue.js'
import { route } from './lib/route.js'
import { canWrite, forgetKey, key, setCanWrite } from './lib/session.js'
import { clearBanners, lost, reached, showQueueBanners } from './parts/banners.js'
import { leaveDialogs } from './parts/dialog.js'
import { login } from './parts/login.js'
import { showSession } from './parts/session-bar.js'
import { emailView } from './views/email.js'
import { emailsView } from './views/emails.js'
import { overviewView } from './views/overview.js'

const main = document.getElementById('main')
const links = document.getElementById('views')
const queueName = document.getElementById('queue-name')

let view = null
let polling = null

/** With a key, or without one where the server is open to this machine. Asks again until there is an answer. */
function begin() {
  polling?.stop()
  polling = poll(refresh)
}

function explain(error) {
  if (error.name === 'restricted_api_key') return 'This key may only send emails. The page needs a full key, or one that may read.'
  return error.name === 'invalid_api_key' ? 'The server does not know this key.' : error.message
}

/** Asks for a key. Nothing of the queue stays in sight. */
function ask(reason) {
  polling?.stop()
  polling = null
  leaveDialogs()
  endView()
  forgetKey()
  clearBanners()
  text(queueName, '')
  links.hidden = true
  showSession(null)
  document.title = 'Email queue'
  main.replaceChildren(login(reason, begin))
  main.querySelector('input').focus()
}

function endView() {
  view?.end?.()
  view = null
}

async function refresh(signal) {
  try {
    const [newest] = await Promise.all([get('queue', {}, signal), view?.refresh?.(signal)])
    setQueue(newest)
  } catch (error) {
    if (signal.aborted) return
    if (!error.isAboutKey) lost(error)
    // Nobody has given a key yet.
    else ask(error.name === 'missing_api_key' && !key() ? null : explain(error))
    return
  }
  reached()
  showQueueBanners(queue())
  text(queueName, queue().name)
  const mayWrite = queue().access === 'full'
  if (view && mayWrite === canWrite()) return
  // The first answer; or the operator has given this key other rights.
  setCanWrite(mayWrite)
  leaveDialogs()
  endView()
  links.hidden = false
  showSession(() => ask(null))
  show()
}

/** The same view with other parameters stays, so that what somebody types in is not taken away. */
function show() {
  const { path, parameters } = route()
  const make = path[0] === 'emails' ? (path[1] ? emailView : emailsView) : overviewView
  const name = path[0] === 'emails' && path[1] ? `email ${path[1]}` : make.name
  for (const link of links.querySelectorAll('a')) {
    const isCurrent = link.hash === (path[0] === 'emails' ? '#/emails' : '#/')
    if (isCurrent) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  if (view?.name === name) {
    view.change?.(parameters)
    return
  }
  const isReplaced = main.hasChildNodes()
  endView()
  view = { name, ...make({ id: path[1], parameters, refreshSoon: () => polling?.now() }) }
  document.title = `${view.title} – Email queue`
  main.replaceChildren(view.node)
  // As after following a link to another document.
  if (isReplaced) {
    main.focus({ preventScroll: true })
    scrollTo(0, 0)
  }
  polling?.now()
}

addEventListener('hashchange', () => {
  if (!view) return
  // What was asked there is about what is left.
  leaveDialogs()
  show()
})
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault()
  main.focus()
})
begin()
