// The actions above the list, for all emails that match.

import { h, text } from '../lib/dom.js'
import { canWrite } from '../lib/session.js'
import { BULK, bulk } from './bulk.js'

/** What a list may be narrowed by that a bulk action does not take. */
const NOT_TAKEN = { to: 'recipient', subject: 'subject', lane: 'lane', from_time: 'time', to_time: 'time' }

export function bulkBar(changed) {
  const buttons = h('div', { class: 'actions' })
  const reason = h('p', { class: 'note', id: 'bulk-reason' })
  const node = h('div', { class: 'bulk' }, buttons, reason)
  let shown = ''
  return {
    node,
    /** `isTyping`: what is in the fields is not yet what is listed. */
    show(filter, isTyping = false) {
      const narrowed = [...new Set(Object.keys(filter).filter((name) => filter[name]).map((name) => NOT_TAKEN[name]).filter(Boolean))]
      const key = JSON.stringify([filter.status, filter.class, narrowed, isTyping])
      // Left alone while nothing changes, or the focus would be lost every two seconds.
      if (key === shown) return
      shown = key
      const names = canWrite() ? Object.keys(BULK).filter((name) => BULK[name].states.includes(filter.status)) : []
      const what = { status: filter.status, ...(filter.class ? { class: filter.class } : {}) }
      const isOff = narrowed.length > 0 || isTyping
      const run = (name) => bulk(name, what).then((isChanged) => isChanged && changed())
      buttons.replaceChildren(...names.map((name) => h('button', {
        type: 'button', class: BULK[name].isDangerous ? 'danger' : '', disabled: isOff, 'aria-describedby': isOff ? reason.id : null,
        onclick: () => run(name),
      }, BULK[name].label)))
      reason.hidden = narrowed.length === 0
      text(reason, `These act on all emails of a state and a class. The list is narrowed by ${narrowed.join(' and ')} too: clear that to use them.`)
      node.hidden = names.length === 0
    },
  }
}
