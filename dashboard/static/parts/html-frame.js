// An email's HTML. It runs nothing, loads nothing and leads nowhere:
//
// - `sandbox` without a word: no scripts, no forms, no windows, an origin of its own;
// - the frame is within frame.html, whose policy it inherits: no source but `data:` images and the styles within it, no frames, so that not
//   even a link can replace it.

import { h } from '../lib/dom.js'

export function htmlFrame(html) {
  const outer = h('iframe', { src: 'frame.html', title: "The email's HTML", class: 'html' })
  outer.addEventListener('load', () => {
    const inside = outer.contentDocument
    const inner = inside.createElement('iframe')
    inner.setAttribute('sandbox', '')
    inner.title = "The email's HTML"
    inner.srcdoc = html
    inside.body.replaceChildren(inner)
  }, { once: true })
  return h('div', {}, h('p', { class: 'note' }, 'Without scripts and without what it would load from elsewhere.'), outer)
}
