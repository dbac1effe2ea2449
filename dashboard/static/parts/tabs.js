// Tabs by the pattern of the ARIA Authoring Practices: one is in the order of the Tab key, arrows lead to the others.

import { h } from '../lib/dom.js'

let groups = 0

/** `views` have a name and `make()`, which is called when the tab is opened. */
export function tabs(label, views) {
  groups += 1
  const panel = h('div', { role: 'tabpanel', id: `tabpanel-${groups}`, class: 'tabpanel' })
  const buttons = views.map((view, index) => h('button', {
    type: 'button', role: 'tab', id: `tab-${groups}-${index}`, 'aria-controls': panel.id, onclick: () => open(index),
  }, view.name))
  const list = h('div', { role: 'tablist', 'aria-label': label, class: 'tablist' }, buttons)

  function open(wanted) {
    buttons.forEach((button, index) => {
      button.setAttribute('aria-selected', index === wanted)
      button.tabIndex = index === wanted ? 0 : -1
    })
    panel.setAttribute('aria-labelledby', buttons[wanted].id)
    panel.replaceChildren(views[wanted].make())
  }

  list.addEventListener('keydown', (event) => {
    const from = buttons.indexOf(event.target)
    const to = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: buttons.length - 1 }[event.key]
    if (from < 0 || to === undefined) return
    event.preventDefault()
    const index = (to + buttons.length) % buttons.length
    open(index)
    buttons[index].focus()
  })
  open(0)
  return h('div', {}, list, panel)
}
