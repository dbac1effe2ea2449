// The fields of an email.

import { h, sync } from '../lib/dom.js'
import { clock, relative } from '../lib/format.js'
import { panel } from './panel.js'

export function facts(id) {
  const list = h('dl', {})
  return {
    node: panel('Email', { class: 'facts' }, list),
    /** Null while it is on its way. */
    update(email) {
      const rows = email === null ? [['Id', [id]]] : [
        ['From', [email.from]],
        ['To', email.to],
        ['Cc', email.cc],
        ['Bcc', email.bcc],
        ['Reply-To', email.reply_to],
        ['Lane', [email.priority]],
        ['Accepted', [`${clock(email.created_at)} (${relative(email.created_at)})`]],
        ['Due', [email.scheduled_at ?? email.retry_at].filter(Boolean).map((time) => `${clock(time)} (${relative(time)})`)],
        ['Ended', [email.finished_at].filter(Boolean).map(clock)],
        ['Attempts', [email.attempts]],
        ['Sent to', email.sent_to],
        ['Last error', [email.last_error].filter(Boolean)],
        ['Class', [email.error_class].filter(Boolean)],
        ['Tags', (email.tags ?? []).map((tag) => `${tag.name}: ${tag.value}`)],
        ['Message-ID', [email.message_id].filter(Boolean)],
        ['Id', [id]],
      ]
      sync(list, rows.filter(([, values]) => values?.length > 0), ([name]) => name, create)
    },
  }
}

function create([name]) {
  const place = h('dd', { class: ['Id', 'Message-ID'].includes(name) ? 'mono' : '' })
  let shown = null
  return {
    node: h('div', {}, h('dt', {}, name), place),
    update([, values]) {
      const key = JSON.stringify(values)
      if (key === shown) return
      shown = key
      place.replaceChildren(...values.map((value) => h('span', { dir: 'auto' }, value)))
    },
  }
}
