// A text of any length, part by part: a browser takes many seconds to lay out one of megabytes, and shows nothing else meanwhile.

import { h, text } from '../lib/dom.js'
import { count } from '../lib/format.js'
import { visible } from '../lib/visible.js'

/** How many characters are shown, and how many more each time. */
const PART = 100_000

export function longText(value, dir) {
  // Before it is cut, as what belongs together is seen only as a whole.
  const whole = visible(value)
  const place = h('pre', { tabindex: 0, dir })
  const words = h('span', { class: 'note' })
  const more = h('p', { class: 'more' }, words, ' ', h('button', { type: 'button', class: 'small', onclick: show }, 'Show more'))
  let shown = 0

  function show() {
    const end = shown + PART
    // Not between the halves of a pair.
    const part = whole.slice(shown, /[\uD800-\uDBFF]/.test(whole[end - 1]) ? end + 1 : end)
    shown += part.length
    place.append(part)
    text(words, `${count(shown)} of ${count(whole.length)} characters.`)
    const isAll = shown >= whole.length
    if (isAll && more.contains(document.activeElement)) place.focus()
    more.hidden = isAll
  }

  show()
  return h('div', {}, place, more)
}
