// What can be done: each asks first, says what came of it, and resolves once the dialog is gone.

import { post, remove } from '../lib/api.js'
import { foreign } from '../lib/dom.js'
import { count, emails, entries } from '../lib/format.js'
import { say } from '../lib/say.js'
import { LANES, recipientsOf, subjectOf } from '../lib/words.js'
import { queue } from '../lib/queue.js'
import { openDialog } from './dialog.js'

let changed = () => {}

/** What is called after each change, to look at once. */
export function onChanged(listener) {
  changed = listener
}

/** `run(answer, signal, isRepeated)` does it; `done` says that it is done, or makes that of the answer. */
async function act({ run, done, ...question }) {
  const dialog = openDialog()
  try {
    const answer = await dialog.ask(question)
    if (answer === null) return
    let tries = 0
    const hasWorked = await dialog.work(question.title.replace(/\?$/, ''), ({ signal }) => run(answer, signal, tries++ > 0))
    if (hasWorked) say(typeof done === 'function' ? done(answer) : done)
  } finally {
    dialog.close()
  }
  // Also after a failure, which may be that of the answer alone.
  changed()
}

/** Says what waits in lanes. What an entry is shows when a worker claims it. */
function waiting(lanes) {
  const chosen = queue().lanes.filter((lane) => !lanes || lanes.includes(lane.name))
  const sum = (field) => chosen.reduce((sum, lane) => sum + lane[field], 0)
  const [queued, others] = [sum('queued'), sum('other_entries')]
  const both = others === 0 ? emails(queued) : `${emails(queued)} and ${entries(others)} of other programs or out of date`
  return `${both} ${queued + others === 1 ? 'waits' : 'wait'} there`
}

const nameOf = (lanes) => (lanes ? `lane ${lanes.join(', ')}` : 'the whole queue')

/** Pauses lanes, or all. */
export function pause(lanes = null) {
  return act({
    title: `Pause ${nameOf(lanes)}?`,
    lines: [`${waiting(lanes)} now. Emails are still accepted; none is handed out until you resume.`],
    action: 'Pause',
    run: (_, signal) => post('queue/pause', lanes ? { lanes } : {}, signal),
    done: `Paused ${nameOf(lanes)}.`,
  })
}

export function resume(lanes = null) {
  return act({
    title: `Resume ${nameOf(lanes)}?`,
    lines: [`${waiting(lanes)}. Workers go on with them.`],
    action: 'Resume',
    run: (_, signal) => post('queue/resume', lanes ? { lanes } : {}, signal),
    done: `Resumed ${nameOf(lanes)}.`,
  })
}

const path = (email) => `emails/${encodeURIComponent(email.id)}`

/** As much of a text as tells it from others. A dialog with more would hide its own buttons. */
const shortened = (text) => (text.length > 120 ? `${text.slice(0, 120)}…` : text)

/** The email as somebody knows it, for a line of a dialog. */
function named(email) {
  // A large one may still be on its way.
  if (!email.to) return `Email ${email.id}`
  const others = email.to.length > 3 ? ` and ${email.to.length - 3} more` : ''
  return ['“', foreign(shortened(subjectOf(email))), '” to ', ...email.to.slice(0, 3).flatMap((to, at) => [at > 0 && ', ', foreign(shortened(to))]), others]
}

/** Who has got it, where somebody has: what is done then is about the others. */
function arrived(email) {
  const got = email.sent_to?.length ?? 0
  if (got === 0) return null
  return `${count(got)} of its ${count(Math.max(got, recipientsOf(email).size))} recipients ${got === 1 ? 'has' : 'have'} it.`
}

/** The actions on one email, as the view knows it: with its `state`, and whether an attempt `mayHaveArrived`. */
export const ONE = {
  retry: {
    label: 'Retry',
    run: (email) => act({
      title: 'Retry 1 email?',
      lines: [
        named(email), arrived(email), 'It goes to the recipients who are not known to have got it, and its retry period begins anew.',
        email.mayHaveArrived && 'An attempt ended without an answer. It may have arrived: those recipients would get it twice.',
      ],
      action: 'Retry',
      run: (_, signal) => post(`${path(email)}/retry`, undefined, signal),
      done: 'Queued again.',
    }),
  },
  move: {
    label: 'Move…',
    run: (email) => act({
      title: 'Move 1 email to another lane?',
      lines: [named(email)],
      action: 'Move',
      choice: { label: 'Lane', options: LANES.filter((lane) => lane !== email.priority) },
      run: (lane, signal) => post(`${path(email)}/move`, { lane }, signal),
      done: (lane) => `Moved to lane ${lane}.`,
    }),
  },
  cancel: {
    label: 'Cancel',
    run: (email) => act({
      title: 'Cancel 1 email?',
      lines: [named(email), arrived(email), 'No further recipient gets it. It stays in the list as canceled until its retention ends.'],
      action: 'Cancel email',
      isDangerous: true,
      run: (_, signal) => post(`${path(email)}/cancel`, undefined, signal),
      done: 'Canceled.',
    }),
  },
  discard: {
    label: 'Discard',
    run: (email) => act({
      title: 'Discard 1 email?',
      lines: [named(email), arrived(email), `It is ${email.state} now. No further recipient gets it, and it is forgotten.`],
      action: 'Discard',
      isDangerous: true,
      run: (_, signal, isRepeated) => remove(path(email), signal).catch((error) => {
        // The first call may have done it, though its answer was lost.
        if (!isRepeated || error.status !== 404) throw error
      }),
      done: 'Discarded.',
    }),
  },
}
