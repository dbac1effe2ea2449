// Short messages: shown for some seconds, and spoken by screen readers. Only for what somebody has done or must know.

import { h } from './dom.js'

/** How long a message stays, in ms. */
const STAYS = 6000

export function say(message, kind = 'done') {
  const node = h('p', { class: `toast ${kind}` }, message)
  document.getElementById('said').append(node)
  setTimeout(() => node.remove(), STAYS)
}

/** Runs what somebody has asked for, and says what has come of it. Returns whether it has worked. */
export async function doing(action, done) {
  try {
    await action()
    say(done)
    return true
  } catch (error) {
    say(error.message, 'bad')
    return false
  }
}
