// The end of the header: whether the page is up to date, what the key may do, pause and resume of the whole queue, and the way out.

import { h, text } from '../lib/dom.js'
import { onQueue } from '../lib/queue.js'
import { canWrite, key } from '../lib/session.js'
import { LANES } from '../lib/words.js'
import { pause, resume } from './actions.js'

const bar = document.getElementById('session')
let stop = null

/** Shows it, or nothing where `leave` is null. */
export function showSession(leave) {
  stop?.()
  stop = null
  if (!leave) return bar.replaceChildren()
  const live = h('span', { class: 'live', id: 'live' }, 'live')
  const toggle = h('button', { type: 'button', class: 'quiet' })
  let paused = false
  toggle.addEventListener('click', () => (paused ? resume() : pause()))
  bar.replaceChildren(
    live,
    canWrite() ? toggle : h('span', { class: 'tag', title: 'This key may read and change nothing' }, 'read only'),
    key() ? h('button', { type: 'button', class: 'quiet', onclick: leave }, 'Forget key') : h('span', { class: 'tag' }, 'no key needed'),
  )
  stop = onQueue((queue) => {
    paused = LANES.every((lane) => queue.paused.includes(lane))
    text(toggle, paused ? 'Resume queue' : 'Pause queue')
  })
}
