// One action for all emails of a state, and of a class: counted first, asked, then done in bounded steps that can be broken off.

import { Lost, Refused, ask, post } from '../lib/api.js'
import { count, emails } from '../lib/format.js'
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
  try {
    // The number does not depend on the lane to which they are moved.
    const body = name === 'move' ? { ...filter, lane: LANES[0] } : filter
    const counting = steps((cursor) => ask(`emails/${name}`, { ...body, dry_run: true, cursor }), 'counted')
    if (!await dialog.work(`Count ${what}`, counting.run)) return false
    const number = counting.changed()
    if (number === 0) {
      say(`There are no ${what} now.`)
      return false
    }
    const answer = await dialog.ask({
      title: `${verb} ${emails(number)}?`,
      lines: [`All ${what}: ${count(number)} now.`, 'It goes in steps, and can be broken off.'],
      action: `${verb} ${count(number)}`,
      isDangerous,
      choice: name === 'move' ? { label: 'Lane', options: LANES } : null,
    })
    if (answer === null) return false
    const wanted = name === 'move' ? { ...filter, lane: answer } : filter
    const doing = steps((cursor) => post(`emails/${name}`, { ...wanted, cursor }), done, number)
    if (await dialog.work(`${verb} ${what}`, doing.run)) say(`${doing.said()} ${done}.`)
  } finally {
    dialog.close()
  }
  return true
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
