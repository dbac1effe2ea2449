// Short messages: shown for some seconds, and spoken by screen readers. Only for what somebody has done or must know.

import { h } from './dom.js'

/** How long a message stays, in ms. */
const STAYS = 6000

export function say(message, kind = 'done') {
  const node = h('p', { class: `toast ${kind}` }, message)
  document.getElementById('said').append(node)
  setTimeout(() => node.remove(), STAYS)
}
