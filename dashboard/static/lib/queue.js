// The newest answer of GET /queue, for everything that shows a part of it.

import { setServerTime } from './format.js'

let newest = null
const listeners = new Set()

export const queue = () => newest

export function setQueue(value) {
  setServerTime(value.time)
  newest = value
  for (const listener of listeners) listener(value)
}

/** Calls `listener` with each answer, and at once with the last. Returns what ends that. */
export function onQueue(listener) {
  listeners.add(listener)
  if (newest) listener(newest)
  return () => listeners.delete(listener)
}
