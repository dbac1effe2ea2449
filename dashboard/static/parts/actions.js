// What can be done: each asks first, says what came of it, and resolves to whether anything was changed.

import { post, remove } from '../lib/api.js'
import { emails } from '../lib/format.js'
import { doing } from '../lib/say.js'
import { LANES, stateOf } from '../lib/words.js'
import { queue } from '../lib/queue.js'
import { confirm } from './confirm.js'

let changed = () => {}

/** What is called after each change, to look at once. */
export function onChanged(listener) {
  changed = listener
}

async function act(question, action, done) {
  const answer = await confirm(question)
  if (answer === null) return false
  const worked = await doing(() => action(answer), typeof done === 'function' ? done(answer) : done)
  changed()
  return worked
}

/** Pauses lanes, or all. */
export function pause(lanes = null) {
  const waiting = queue().lanes.filter((lane) => !lanes || lanes.includes(lane.name)).reduce((sum, lane) => sum + lane.queued, 0)
  const what = lanes ? `lane ${lanes.join(', ')}` : 'the whole queue'
  return act({
    title: `Pause ${what}?`,
    lines: [`${emails(waiting)} ${waiting === 1 ? 'waits' : 'wait'} there now. Emails are still accepted; none is handed out until you resume.`],
    action: 'Pause',
  }, () => post('queue/pause', lanes ? { lanes } : {}), `Paused ${what}.`)
}

export function resume(lanes = null) {
  const waiting = queue().lanes.filter((lane) => !lanes || lanes.includes(lane.name)).reduce((sum, lane) => sum + lane.queued, 0)
  const what = lanes ? `lane ${lanes.join(', ')}` : 'the whole queue'
  return act({
    title: `Resume ${what}?`,
    lines: [`${emails(waiting)} ${waiting === 1 ? 'waits' : 'wait'} there, and will be sent.`],
    action: 'Resume',
  }, () => post('queue/resume', lanes ? { lanes } : {}), `Resumed ${what}.`)
}

const path = (email) => `emails/${encodeURIComponent(email.id)}`
const named = (email) => `“${email.subject}” to ${email.to.slice(0, 3).join(', ')}${email.to.length > 3 ? ` and ${email.to.length - 3} more` : ''}`

/** The actions on one email. */
export const ONE = {
  retry: {
    label: 'Retry',
    run: (email) => act({
      title: 'Retry 1 email?',
      lines: [named(email), 'It goes to those recipients who have not got it, and its retry period begins anew.'],
      action: 'Retry',
    }, () => post(`${path(email)}/retry`), 'Queued again.'),
  },
  move: {
    label: 'Move…',
    run: (email) => act({
      title: 'Move 1 email to another lane?',
      lines: [named(email)],
      action: 'Move',
      choice: { label: 'Lane', options: LANES.filter((lane) => lane !== email.priority) },
    }, (lane) => post(`${path(email)}/move`, { lane }), (lane) => `Moved to lane ${lane}.`),
  },
  cancel: {
    label: 'Cancel',
    run: (email) => act({
      title: 'Cancel 1 email?',
      lines: [named(email), 'It will not be sent. It stays in the list as canceled until its retention ends.'],
      action: 'Cancel email',
      isDangerous: true,
    }, () => post(`${path(email)}/cancel`), 'Canceled.'),
  },
  discard: {
    label: 'Discard',
    run: (email) => act({
      title: 'Discard 1 email?',
      lines: [named(email), `It is ${stateOf(email)} now. It will not be sent, and is forgotten.`],
      action: 'Discard',
      isDangerous: true,
    }, () => remove(path(email)), 'Discarded.'),
  },
}
