// What an email contains, in tabs: text, HTML in a frame that can run and load nothing, headers, files, and the source.

import { get } from '../lib/api.js'
import { foreign, h } from '../lib/dom.js'
import { bytes } from '../lib/format.js'
import { htmlFrame } from './html-frame.js'
import { longText } from './long-text.js'
import { panel } from './panel.js'
import { problem } from './problem.js'
import { tabs } from './tabs.js'

/** `path` is that of the email in the API; `again()` asks for it. */
export function content(path, again) {
  const place = h('div', {}, loading())
  const trouble = problem(() => {
    trouble.show(null)
    if (!newest) place.replaceChildren(loading())
    again()
  })
  let [shown, newest] = [null, null]

  function draw(email) {
    if (email.content_removed) return [h('p', { class: 'note' }, 'Its texts and files were removed to make room for others.')]
    const views = [
      email.text !== null && email.text !== undefined && { name: 'Text', make: () => longText(email.text, 'auto') },
      email.html && { name: 'HTML', make: () => htmlFrame(email.html) },
      { name: 'Headers', make: () => headers(newest) },
      { name: 'Files', make: () => files(path) },
      { name: 'Source', make: () => longText(JSON.stringify(newest, null, 2), 'ltr') },
    ]
    const hidden = !email.text && !email.html && h('p', { class: 'note' }, 'No text is shown: this key may not read it, or there is none.')
    return [hidden, tabs('Content', views.filter(Boolean))].filter(Boolean)
  }

  return {
    node: panel('Content', { class: 'content' }, trouble.node, place),
    /** The email could not be had. What was had before stays. */
    fail(error) {
      trouble.show(error)
      if (!newest) place.replaceChildren()
    },
    update(email) {
      newest = email
      trouble.show(null)
      // It never changes, but for its removal: drawn again, the open tab and the place in it would be lost.
      const key = JSON.stringify([email.text, email.html, email.content_removed])
      if (key === shown) return
      shown = key
      place.replaceChildren(...draw(email))
    },
  }
}

const loading = () => h('p', { class: 'note' }, 'Loading…')

function headers(email) {
  const known = [
    ['From', email.from], ['To', email.to], ['Cc', email.cc], ['Reply-To', email.reply_to], ['Subject', email.subject],
    ['Message-ID', email.message_id], ...Object.entries(email.headers ?? {}),
  ].map(([name, value]) => [name, [value].flat().filter(Boolean)]).filter(([, values]) => values.length > 0)
  const joined = (values) => values.flatMap((value, at) => [at > 0 && ', ', foreign(value)])
  return h('dl', { class: 'headers' }, known.map(([name, values]) => h('div', {}, h('dt', { dir: 'auto' }, name), h('dd', {}, joined(values)))))
}

/** Asked for when the tab is opened: links to files are valid for an hour. */
function files(path) {
  const list = h('div', {})
  const trouble = problem(load)
  async function load() {
    list.replaceChildren(h('p', { class: 'note' }, '…'))
    trouble.show(null)
    try {
      const { data } = await get(`${path}/attachments`)
      list.replaceChildren(data.length === 0 ? h('p', { class: 'note' }, 'No files.') : h('ul', { class: 'files' }, data.map(file)))
    } catch (error) {
      const isFinal = error.status === 403 || error.status === 404
      list.replaceChildren(...(isFinal ? [h('p', { class: 'note' }, error.message)] : []))
      trouble.show(isFinal ? null : error)
    }
  }
  load()
  return h('div', {}, trouble.node, list)
}

function file({ filename, content_type: type, size, download_url: link }) {
  const name = filename || '(without a name)'
  // Only a link of the API itself: the rest of the page has nothing to do with an address in an email.
  const isOurs = link && new URL(link, document.baseURI).origin === location.origin
  return h('li', {}, isOurs ? h('a', { href: link, download: name, dir: 'auto' }, name) : foreign(name), ' ',
    h('span', { class: 'note' }, foreign([type, size !== undefined && bytes(size)].filter(Boolean).join(' · '))))
}
