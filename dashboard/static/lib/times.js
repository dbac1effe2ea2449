// The times within a sentence of the API, in the zone of the browser as all others here.

import { h } from './dom.js'
import { clock } from './format.js'

const TIME = /\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/

/** The parts of a sentence, for `h`: what is no time stays text. */
export const withTimes = (sentence) => sentence.split(TIME).map((part) => (
  TIME.test(part) && !Number.isNaN(Date.parse(part)) ? h('time', { datetime: part, title: part }, clock(part)) : part))
