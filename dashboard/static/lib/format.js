// Numbers and times as people read them.

const NUMBER = new Intl.NumberFormat('en')
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', minimumFractionDigits: 1, maximumFractionDigits: 1 })
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const MINUTE = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })

/** `1,234,567` */
export const count = (number) => NUMBER.format(number ?? 0)

/** `1.2M`, `12.0K`: with as many digits behind the point each time, so that figures below each other are alike. */
export const compact = (number) => (number < 10_000 ? count(number) : COMPACT.format(number))

/** `1 email`, `1,234 emails` */
export const emails = (number) => `${count(number)} ${number === 1 ? 'email' : 'emails'}`

/** `1 entry`, `1,234 entries` */
export const entries = (number) => `${count(number)} ${number === 1 ? 'entry' : 'entries'}`

/** A length of time: `85 ms`, `4.0 s`, `42 s`, `3 min 05 s`, `2 h 05 min`, `3 d 04 h`. One of a size has the same form as the next one. */
export function duration(ms) {
  if (ms === null || ms === undefined) return '–'
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 10) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`
  if (seconds < 60) return `${Math.floor(seconds)} s`
  const [unit, smaller, size, per] =
    seconds < 3600 ? ['min', 's', 60, 1] : seconds < 86_400 ? ['h', 'min', 3600, 60] : ['d', 'h', 86_400, 3600]
  const whole = Math.floor(seconds / size)
  const rest = Math.floor((seconds % size) / per)
  return `${whole} ${unit} ${String(rest).padStart(2, '0')} ${smaller}`
}

let ahead = 0

/** Takes the server's clock, by which all times here are. */
export function setServerTime(time) {
  ahead = Date.parse(time) - Date.now()
}

/** Now by the server's clock, in ms. */
export const now = () => Date.now() + ahead

/** About how long ago, or how far ahead, in whole units: `4 s ago`, `in 3 min`. */
export function relative(time) {
  if (!time) return '–'
  const ms = now() - Date.parse(time)
  if (Math.abs(ms) < 1000) return 'now'
  const [number, unit] = duration(Math.abs(ms)).split(' ')
  const about = `${Math.floor(number)} ${unit}`
  return ms > 0 ? `${about} ago` : `in ${about}`
}

/** `21:04:05`, or with the day where it is another: `3 Nov 21:04:05` */
export function clock(time) {
  if (!time) return '–'
  const date = new Date(time)
  const today = new Date(now()).toDateString() === date.toDateString()
  return today ? CLOCK.format(date) : `${DAY.format(date)} ${CLOCK.format(date)}`
}

/** `21:04` */
export const minute = (time) => MINUTE.format(new Date(time))

/** A worker's host and process. The rest of its id tells it from an earlier one with the same. */
export const workerName = (id) => id.split(':').slice(0, 2).join(':')

/** `12.4 KB` */
export function bytes(number) {
  if (number < 1000) return `${number} B`
  return number < 1_000_000 ? `${(number / 1000).toFixed(1)} KB` : `${(number / 1_000_000).toFixed(1)} MB`
}
