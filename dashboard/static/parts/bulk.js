// One action for all emails of a state, and of a class: counted first, asked, then done in bounded steps that can be broken off.

import { Lost, Refused, ask, post } from '../lib/api.js'
import { h } from '../lib/dom.js'
import { count, emails } from '../lib/format.js'
import { queue } from '../lib/queue.js'
import { say } from '../lib/say.js'
import { LANES } from '../lib/words.js'
import { Stopped, openDialog } from './dialog.js'

/** What each is called, and the states that it is for. */
export const BULK = {
  retry: { label: 'Retry all', verb: 'Retry', done: 'queued again', states: ['failed', 'delayed'] },
  move: { label: 'Move all…', verb: 'Move', done: 'moved', states: ['queued', 'scheduled', 'delayed'] },
  discard: { label: 'Discard all', verb: 'Discard', done: 'discarded', states: ['failed', 'delayed', 'queued', 'scheduled'], isDangerous: true },
}

/** Resolves to whether anything may have been changed. `filter` has `status`, and may have `class`. */
export async function bulk(name, filter) {
  const { verb, done, isDangerous } = BULK[name]
  const what = `${filter.status} emails${filter.class ? ` of class ${filter.class}` : ''}`
  const dialog = openDialog()
  const counted = async (body) => {
    const counting = steps((cursor) => ask(`emails/${name}`, { ...body, dry_run: true, cursor }), 'counted')
    return await dialog.work(`Count ${what}`, counting.run) ? counting.changed() : null
  }
  try {
    const body = name === 'move' ? await withLane(dialog, what, filter, counted) : { ...filter, number: await counted(filter) }
    if (body === null || body.number === null) return false
    const { number, ...wanted } = body
    if (number === 0) {
      say(`There are no ${what} now.`)
      return false
    }
    const to = wanted.lane ? ` to lane ${wanted.lane}` : ''
    const answer = await dialog.ask({
      title: `${verb} ${emails(number)}${to}?`,
      lines: [
        `All ${what}${to && ' in other lanes'}: ${count(number)} now.`,
        name === 'retry' && twice(filter),
        'It goes in steps, and can be broken off.',
      ],
      action: `${verb} ${count(number)}`,
      isDangerous,
    })
    if (answer === null) return false
    const doing = steps((cursor) => post(`emails/${name}`, { ...wanted, cursor }), done, number)
    if (await dialog.work(`${verb} ${what}${to}`, doing.run)) say(`${doing.said()} ${done}.`)
  } finally {
    dialog.close()
  }
  return true
}

/** The filter with a lane and the number of emails that would go there: how many are in it already depends on the lane. */
async function withLane(dialog, what, filter, counted) {
  let [lane, none] = [LANES[0], null]
  for (;;) {
    const title = `Move ${what} to which lane?`
    lane = await dialog.ask({ title, lines: [none], action: 'Count', choice: { label: 'Lane', options: LANES, selected: lane } })
    if (lane === null) return null
    const number = await counted({ ...filter, lane })
    if (number !== 0) return { ...filter, lane, number }
    none = h('span', { role: 'alert' }, `None would move to lane ${lane}: no ${what} are in another lane now.`)
  }
}

/** A warning, for classes whose emails may have arrived all the same. */
function twice({ class: name }) {
  if (name === 'unknown') return 'The relay got them and did not answer. They may have arrived: their recipients would get them twice.'
  if (name === 'recovered') return 'Their workers died while they sent them. They may have arrived: their recipients would get them twice.'
  const { delayed, failed } = queue().classes
  const seen = (name) => delayed[name] || failed[name]
  const mayBeAmong = (!name || name === 'given_up') && (seen('unknown') || seen('recovered'))
  return mayBeAmong && 'Those whose relay did not answer (class unknown) or whose worker died (recovered) may have arrived: their recipients would get them twice.'
}

/** A call that is repeated until it has been everywhere. It goes on where it was stopped or has failed. `of` is the number that is expected. */
function steps(call, done, of = null) {
  let [changed, looked, cursor, isUnsure] = [0, 0, undefined, false]
  // What a step did whose answer was lost is not known.
  const stopped = () => new Stopped(of ? 'Stopped. What was done stays done.' : 'Stopped. Nothing was changed.')
  const said = () => `${isUnsure ? 'At least ' : ''}${emails(changed)}`

  async function run({ signal, show }) {
    const unsure = () => (isUnsure ? ', and what a step without an answer did' : '')
    const tell = () => show(changed, of, of
      ? `${count(changed)} of about ${emails(of)} ${done}${unsure()}; looked at ${count(looked)}.`
      : `${emails(changed)} ${done}; looked at ${count(looked)}.`)
    do {
      const answer = await patiently(() => call(cursor), signal, stopped).catch((error) => {
        if (error instanceof Lost) isUnsure = of !== null
        tell()
        throw error
      })
      changed += answer.changed
      looked += answer.looked_at
      cursor = answer.cursor ?? undefined
      tell()
      if (cursor && signal.aborted) throw stopped()
    } while (cursor)
  }

  return { run, said, changed: () => changed }
}

/** Waits where the server takes no more requests for now, as long as nobody stops it. */
async function patiently(call, signal, stopped) {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      const seconds = error instanceof Refused && error.status === 429 ? (error.retryAfter ?? 1) : null
      if (seconds === null || signal.aborted) throw error
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000)
        signal.addEventListener('abort', () => {
          clearTimeout(timer)
          resolve()
        }, { once: true })
      })
      if (signal.aborted) throw stopped()
    }
  }
}
