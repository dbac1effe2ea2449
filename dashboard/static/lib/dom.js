// Builds elements. Text comes in as text nodes alone and through `visible`, so whatever an email contains is shown as it is written.

import { visible } from './visible.js'

const SVG = 'http://www.w3.org/2000/svg'

/** An HTML element: `h('p', { class: 'x', onclick: f, hidden: true }, 'text', child)`. Attributes that are null or false are left out. */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children)

/** The same for SVG. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children)

/** A text that others wrote, for a place within a sentence: its direction is its own, and turns nothing around it. */
export const foreign = (value) => h('bdi', {}, value)

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) set(node, name, value)
  const given = children.flat().filter((child) => child !== null && child !== undefined && child !== false)
  node.append(...given.map((child) => (child instanceof Node ? child : visible(child))))
  return node
}

function set(node, name, value) {
  if (typeof value === 'function') node.addEventListener(name.slice(2), value)
  else attribute(node, name, value)
}

/** Sets an attribute, or removes it where the value is null or false. Nothing happens if it has that value. */
export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name)
  else {
    const written = value === true ? '' : visible(value)
    if (node.getAttribute(name) !== written) node.setAttribute(name, written)
  }
}

/** Sets the text of an element, if it is another. */
export function text(node, value) {
  const written = visible(value)
  if (node.textContent !== written) node.textContent = written
}

const kept = new WeakMap()

/**
 * Makes the children of `parent` those of `items`, in this order. An item that was there keeps its node, and with it focus and selection:
 * `create(item)` returns `{ node, update }`, and `update(item)` is called each time. The focus of a row that is gone stays near it.
 */
export function sync(parent, items, keyOf, create) {
  const before = kept.get(parent) ?? new Map()
  const after = new Map()
  const focused = parent.contains(document.activeElement) ? document.activeElement : null
  const rows = [...before.values()].map((row) => row.node)
  const at = rows.findIndex((node) => node.contains(focused))
  for (const item of items) {
    const key = keyOf(item)
    const row = before.get(key) ?? create(item)
    row.update(item)
    after.set(key, row)
  }
  for (const [key, row] of before) if (!after.has(key)) row.node.remove()
  let next = parent.firstElementChild
  for (const { node } of after.values()) {
    if (node === next) next = next.nextElementSibling
    else parent.insertBefore(node, next)
  }
  kept.set(parent, after)
  if (!focused || document.activeElement !== document.body) return
  // A row that was moved has lost it as well.
  if (focused.isConnected) focused.focus({ preventScroll: true })
  else refocus(parent, [...rows.slice(at + 1), ...rows.slice(0, at).reverse(), ...parent.children])
}

const CONTROL = 'a[href], button:not(:disabled), summary'

/** The focus was in a row that is gone: it goes to the next of these that is there, or to what they are in. */
function refocus(parent, rows) {
  const control = rows.filter((row) => row.isConnected).map((row) => row.querySelector(CONTROL)).find(Boolean)
  if (control) control.focus({ preventScroll: true })
  else focusAround(parent)
}

/** Gives the focus to the panel that a node is in: for what is gone, or is about to be hidden. */
export function focusAround(node) {
  const place = node.closest('[tabindex="-1"]') ?? document.getElementById('main')
  place.focus({ preventScroll: true })
}

/** Hides a node or shows it. The focus within stays near it. */
export function hide(node, isHidden) {
  if (isHidden && node.contains(document.activeElement)) focusAround(node)
  node.hidden = isHidden
}
