// One action for all emails of a state, and of a class: counted first, asked, then done in bounded steps that can be broken off.

import { post } from '../lib/api.js'
import { count, emails } from '../lib/format.js'
import { say } from '../lib/say.js'
import { LANES } from '../lib/words.js'
import { confirm, progress } from './confirm.js'

/** What each is called, and the states that it is for. */
export const BULK = {
  retry: { label: 'Retry all', verb: 'Retry', done: 'queued again', states: ['failed', 'delayed'] },
  move: { label: 'Move all…', verb: 'Move', done: 'moved', states: ['queued', 'scheduled', 'delayed'] },
  discard: { label: 'Discard all', verb: 'Discard', done: 'discarded', states: ['failed', 'delayed', 'queued', 'scheduled'], isDangerous: true },
}

/** Resolves to whether anything was changed. `filter` has `status`, and may have `class`. */
export async function bulk(name, filter) {
  const { verb, done, isDangerous } = BULK[name]
  const what = `${filter.status} emails${filter.class ? ` of class ${filter.class}` : ''}`
  try {
    // The number does not depend on the lane to which they are moved.
    const body = name === 'move' ? { ...filter, lane: LANES[0] } : filter
    const counted = await steps(name, { ...body, dry_run: true }, null, `Counting ${what}`)
    if (counted === null) return false
    if (counted === 0) {
      say(`There are no ${what} now.`)
      return false
    }
    const answer = await confirm({
      title: `${verb} ${emails(counted)}?`,
      lines: [`All ${what}: ${count(counted)} now.`, 'It goes in steps, and can be broken off.'],
      action: `${verb} ${count(counted)}`,
      isDangerous,
      choice: name === 'move' ? { label: 'Lane', options: LANES } : null,
    })
    if (answer === null) return false
    const changed = await steps(name, name === 'move' ? { ...filter, lane: answer } : filter, counted, `${verb} ${what}`)
    say(changed === null ? 'Broken off. What was changed stays changed.' : `${emails(changed)} ${done}.`)
  } catch (error) {
    say(error.message, 'bad')
  }
  return true
}

/** Repeats the call until it has been everywhere. Resolves to the number of emails, or to null where it was broken off. */
async function steps(name, body, of, title) {
  const shown = progress(title)
  try {
    let [changed, looked, cursor] = [0, 0, null]
    do {
      const answer = await post(`emails/${name}`, cursor ? { ...body, cursor } : body)
      changed += answer.changed
      looked += answer.looked_at
      cursor = answer.cursor
      shown.show(changed, of, `${emails(changed)}; looked at ${count(looked)}`)
    } while (cursor && !shown.signal.aborted)
    return cursor ? null : changed
  } finally {
    shown.close()
  }
}
