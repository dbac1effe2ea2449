// Axes: their end, round like the middle, and their labels, all of one unit and with as many digits.

import { count } from './format.js'

/** In a unit of ten: the first that is not exceeded, times a power of ten. Half of each is a whole number. */
const TENS = [2, 4, 6, 8, 10]

/** Lengths of time, each with its ms, and where an axis in it may end. */
const UNITS = [
  ['d', 86_400_000, null],
  ['h', 3_600_000, [1, 2, 4, 6, 12, 24]],
  ['min', 60_000, [1, 2, 4, 6, 10, 20, 30, 60]],
  ['s', 1000, [1, 2, 4, 6, 10, 20, 30, 60]],
  ['ms', 1, null],
]

const THOUSANDS = [['B', 1e9], ['M', 1e6], ['K', 1e3]]

/** For a number of things. */
export function countScale(highest) {
  const top = roundedUp(highest)
  // From ten of a unit on, so that half of it is a whole number too.
  const [unit, size] = THOUSANDS.find(([, size]) => top >= 10 * size) ?? ['', 1]
  return { top, label: (number) => `${count(number / size)}${unit}` }
}

/** For ms. */
export function timeScale(highest) {
  const [unit, size, ends] = UNITS.find(([, size]) => highest >= size) ?? UNITS.at(-1)
  const end = (ends ?? []).find((each) => each * size >= highest) ?? roundedUp(highest / size)
  const digits = end === 1 ? 1 : 0
  return { top: end * size, label: (ms) => `${(ms / size).toFixed(digits)} ${unit}` }
}

function roundedUp(value) {
  if (value <= 2) return 2
  const power = 10 ** Math.floor(Math.log10(value))
  return power * TENS.find((end) => end * power >= value)
}
