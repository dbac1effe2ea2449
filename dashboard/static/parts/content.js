// What an email contains, in tabs: text, HTML in a frame that can run and load nothing, headers, files, and the source.

import { get } from '../lib/api.js'
import { h } from '../lib/dom.js'
import { bytes } from '../lib/format.js'
import { say } from '../lib/say.js'
import { htmlFrame } from './html-frame.js'
import { panel } from './panel.js'
import { tabs } from './tabs.js'

/** `path` is that of the email in the API. */
export function content(path) {
  const place = h('div', {})
  let shown = null

  function draw(email) {
    if (email.content_removed) return [h('p', { class: 'note' }, 'Its texts and files were removed to make room for others.')]
    const views = [
      email.text !== null && email.text !== undefined && { name: 'Text', make: () => h('pre', { tabindex: 0 }, email.text) },
      email.html && { name: 'HTML', make: () => htmlFrame(email.html) },
      { name: 'Headers', make: () => headers(email) },
      { name: 'Files', make: () => files(path) },
      { name: 'Source', make: () => h('pre', { tabindex: 0 }, JSON.stringify(email, null, 2)) },
    ]
    const hidden = !email.text && !email.html && h('p', { class: 'note' }, 'No text is shown: this key may not read it, or there is none.')
    return [hidden, tabs('Content', views.filter(Boolean))].filter(Boolean)
  }

  return {
    node: panel('Content', { class: 'content' }, place),
    update(email) {
      // It never changes, but for its removal: drawn again, the open tab and the place in it would be lost.
      const key = JSON.stringify([email.text, email.html, email.content_removed])
      if (key === shown) return
      shown = key
      place.replaceChildren(...draw(email))
    },
  }
}

function headers(email) {
  const list = (addresses) => (addresses?.length > 0 ? addresses.join(', ') : null)
  const known = [
    ['From', email.from], ['To', list(email.to)], ['Cc', list(email.cc)], ['Reply-To', list(email.reply_to)], ['Subject', email.subject],
    ['Message-ID', email.message_id], ...Object.entries(email.headers ?? {}),
  ]
  return h('dl', { class: 'headers' }, known.filter(([, value]) => value).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))))
}

/** Asked for when the tab is opened: links to files are valid for an hour. */
function files(path) {
  const node = h('div', {}, h('p', { class: 'note' }, '…'))
  get(`${path}/attachments`).then(({ data }) => {
    node.replaceChildren(data.length === 0 ? h('p', { class: 'note' }, 'No files.') : h('ul', { class: 'files' }, data.map(file)))
  }, (error) => {
    node.replaceChildren(h('p', { class: 'note' }, error.message))
    if (error.status !== 403 && error.status !== 404) say(error.message, 'bad')
  })
  return node
}

function file({ filename, content_type: type, size, download_url: link }) {
  const name = filename || '(without a name)'
  // Only a link of the API itself: the rest of the page has nothing to do with an address in an email.
  const isOurs = link && new URL(link, document.baseURI).origin === location.origin
  return h('li', {}, isOurs ? h('a', { href: link, download: name }, name) : name, ' ',
    h('span', { class: 'note' }, [type, size !== undefined && bytes(size)].filter(Boolean).join(' · ')))
}
