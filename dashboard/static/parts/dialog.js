// A dialog in which something is asked, and then done. It stays until that has worked or somebody leaves it: no failure goes by unseen.

import { focusAround, h, text } from '../lib/dom.js'
import { say } from '../lib/say.js'

const opened = new Set()

/** Leaves all dialogs, for what is behind them is no longer there. */
export function leaveDialogs() {
  for (const leave of opened) leave()
}

/** What `work` throws between two steps when its signal is aborted. */
export class Stopped extends Error {}

export function openDialog() {
  const title = h('h2', { id: 'dialog-title', tabindex: -1 })
  const content = h('div', {})
  const buttons = h('div', { class: 'buttons' })
  const form = h('form', {}, title, content, buttons)
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' }, form)
  /** Takes the value of the button that is pressed; '' is that of the way out. */
  let press = () => {}
  const leave = () => press('')
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    press(event.submitter?.value ?? '')
  })
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault()
    leave()
  })
  // A browser closes a dialog at the second Escape, whatever the first one has met.
  dialog.addEventListener('close', leave)
  opened.add(leave)
  document.body.append(dialog)
  dialog.showModal()

  function show(heading, body, ...shown) {
    text(title, heading)
    content.replaceChildren(...body.filter(Boolean))
    buttons.replaceChildren(...shown)
  }

  const button = (value, label, kind = '') => h('button', { value, class: kind }, label)
  const pressed = () => new Promise((resolve) => { press = resolve })

  /** Asks, and resolves to the value of the choice or `true`; to null where it is called off. */
  async function ask({ title: heading, lines = [], action, isDangerous = false, choice = null }) {
    const select = choice && h('select', { id: 'choice' }, choice.options.map((option) =>
      h('option', { value: option, selected: option === choice.selected }, option)))
    const out = button('', 'Leave it')
    show(heading, [...lines.filter(Boolean).map((line) => h('p', {}, line)), select && h('label', { for: 'choice' }, choice.label, select)],
      out, button('go', action, isDangerous ? 'primary danger' : 'primary'))
    const first = select ?? out
    first.focus()
    if (await pressed() !== 'go') return null
    return select ? select.value : true
  }

  /**
   * Runs `run({ signal, show })` and resolves to true when it has worked. Where it fails, or is stopped by its signal, the dialog says why and
   * what it has shown last, and offers to run it again; it resolves to false when that is left. `show(value, of, words)` says how far it is.
   */
  async function work(heading, run) {
    let last = ''
    for (;;) {
      const aborted = new AbortController()
      const line = h('p', { class: 'late', 'aria-live': 'polite' }, last || 'Waiting for the answer…')
      const bar = h('progress', { 'aria-label': heading, class: 'late' })
      const stop = button('', 'Stop')
      show(heading, [bar, line], stop)
      // Not on the button: who has pressed Enter twice would stop what has just begun.
      title.focus()
      press = () => {
        aborted.abort()
        stop.disabled = true
        text(line, 'Stopping…')
      }
      const progress = (value, of, words) => {
        last = words
        text(line, words)
        if (!of) return
        bar.max = of
        bar.value = Math.min(value, of)
      }
      const failure = await run({ signal: aborted.signal, show: progress }).then(() => null, (error) => error)
      if (failure === null) return true
      if (!dialog.open) {
        say(failure.message, 'bad')
        return false
      }
      const isStopped = failure instanceof Stopped
      const again = button('go', isStopped ? 'Go on' : 'Try again', 'primary')
      show(isStopped ? heading : `Failed: ${heading}`,
        [h('p', { class: 'failure', role: 'alert' }, failure.message), last && h('p', {}, last)], button('', 'Close'), again)
      again.focus()
      if (await pressed() !== 'go') return false
    }
  }

  function close() {
    press = () => {}
    opened.delete(leave)
    dialog.close()
    dialog.remove()
    // What has opened it may be gone by now.
    if (document.activeElement === document.body) focusAround(dialog)
  }

  return { ask, work, close }
}
