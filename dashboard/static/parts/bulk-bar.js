// The actions above the list, for all emails that match.

import { h } from '../lib/dom.js'
import { canWrite } from '../lib/session.js'
import { BULK, bulk } from './bulk.js'

/** The filters that a bulk action takes. */
const TAKEN = ['status', 'class']

export function bulkBar(changed) {
  const node = h('div', { class: 'bulk' })
  let shown = ''
  return {
    node,
    show(filter) {
      const narrowed = Object.entries(filter).filter(([name, value]) => value && !TAKEN.includes(name))
      const key = JSON.stringify([filter.status, filter.class, narrowed.length > 0])
      // Left alone while nothing changes, or the focus would be lost every two seconds.
      if (key === shown) return
      shown = key
      const names = canWrite() ? Object.keys(BULK).filter((name) => BULK[name].states.includes(filter.status)) : []
      const what = { status: filter.status, ...(filter.class ? { class: filter.class } : {}) }
      const run = (name) => bulk(name, what).then((isChanged) => isChanged && changed())
      node.replaceChildren(...(narrowed.length > 0 && names.length > 0
        ? [h('p', { class: 'note' }, 'Actions for all take a state and a class: clear the other filters for them.')]
        : names.map((name) => h('button', { type: 'button', class: BULK[name].isDangerous ? 'danger' : '', onclick: () => run(name) }, BULK[name].label))))
      node.hidden = names.length === 0
    },
  }
}
