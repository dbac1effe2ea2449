// An email's HTML. It runs nothing, loads nothing and leads nowhere:
//
// - `sandbox` without a word: no scripts, no forms, no windows, an origin of its own;
// - the frame is within frame.html, whose policy it inherits: no source but `data:` images and the styles within it, no frames, so that not
//   even a link can replace it.

import { h } from '../lib/dom.js'
import { problem } from './problem.js'

const TITLE = "The email's HTML"

export function htmlFrame(html) {
  const place = h('div', {})
  const trouble = problem(load)

  function load() {
    trouble.show(null)
    const outer = h('iframe', { src: 'frame.html', title: TITLE, class: 'html' })
    outer.addEventListener('load', () => {
      const inside = outer.contentDocument
      // Whatever else has answered, such as a proxy without a server behind it, has another policy.
      if (!inside?.body?.classList.contains('for-html')) {
        place.replaceChildren()
        trouble.show(new Error('The frame for the HTML cannot be had from the server.'))
        return
      }
      const inner = inside.createElement('iframe')
      inner.setAttribute('sandbox', '')
      inner.title = TITLE
      inner.srcdoc = html
      inside.body.replaceChildren(inner)
    }, { once: true })
    place.replaceChildren(outer)
  }

  load()
  return h('div', {}, h('p', { class: 'note' }, 'Without scripts and without what it would load from elsewhere.'), trouble.node, place)
}
