// The states above the list, with their numbers.

import { attribute, h, text } from '../lib/dom.js'
import { compact } from '../lib/format.js'
import { onQueue } from '../lib/queue.js'
import { emailsHref } from '../lib/route.js'
import { STATES } from '../lib/words.js'

export function stateTabs() {
  const tabs = ['', ...STATES].map((state) => {
    const number = h('span', { class: 'number' })
    return { state, number, node: h('a', { class: `tab ${state}` }, state || 'all', ' ', number) }
  })
  const end = onQueue((queue) => {
    for (const { state, number } of tabs) text(number, state in queue.states ? compact(queue.states[state]) : '')
  })
  return {
    node: h('nav', { class: 'tabs', 'aria-label': 'State' }, tabs.map((tab) => tab.node)),
    show(filter) {
      for (const { state, node } of tabs) {
        attribute(node, 'href', emailsHref({ ...filter, status: state }))
        const isCurrent = (filter.status ?? '') === state
        attribute(node, 'aria-current', isCurrent ? 'true' : null)
        // On a phone not all of them are in sight.
        if (isCurrent) requestAnimationFrame(() => node.scrollIntoView({ block: 'nearest', inline: 'nearest' }))
      }
    },
    end,
  }
}
