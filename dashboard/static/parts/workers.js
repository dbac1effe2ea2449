// The workers with a live lease: what they were started with, and what they hold since when.

import { attribute, h, sync, text } from '../lib/dom.js'
import { clock, count, duration, emails, now, relative } from '../lib/format.js'
import { emailHref } from '../lib/route.js'
import { panel } from './panel.js'

export function workers() {
  const list = h('ul', { class: 'crew' })
  const none = h('p', { class: 'note' }, 'No worker is running.')
  return {
    node: panel('Workers', { class: 'workers' }, none, list),
    update(data) {
      none.hidden = data.length > 0
      sync(list, data, (worker) => worker.id, create)
    },
  }
}

function create() {
  const [name, about, load] = [h('strong', {}), h('span', { class: 'note' }), h('span', { class: 'load' })]
  const meter = h('meter', { min: 0 })
  const held = h('ol', { class: 'held' })
  const summary = h('summary', {})
  const details = h('details', {}, summary, held)
  return {
    node: h('li', {}, h('div', { class: 'head' }, name, load, meter), about, details),
    update(worker) {
      text(name, worker.host ? `${worker.host} · ${worker.pid}` : worker.id)
      const facts = [
        worker.version && `version ${worker.version}`,
        worker.started_at && `up ${duration(now() - Date.parse(worker.started_at))}`,
        worker.relays?.length > 0 && `to ${worker.relays.join(', ')}`,
        worker.shards?.length > 1 && `shards ${worker.shards.join(', ')}`,
        `lease until ${clock(worker.lease_until)}`,
      ]
      text(about, facts.filter(Boolean).join(' · '))
      const most = worker.concurrency || worker.in_flight || 1
      text(load, worker.concurrency ? `${count(worker.in_flight)} of ${count(worker.concurrency)} in flight` : `${count(worker.in_flight)} in flight`)
      meter.max = most
      meter.value = worker.in_flight
      attribute(meter, 'aria-label', `In flight at ${name.textContent}`)
      details.hidden = worker.emails.length === 0
      const oldest = worker.emails.map((email) => Date.parse(email.since)).reduce((one, other) => Math.min(one, other), Infinity)
      const shown = worker.emails.length < worker.in_flight ? `${worker.emails.length} of ${emails(worker.in_flight)}` : emails(worker.emails.length)
      text(summary, worker.emails.length === 0 ? '' : `${shown}, the oldest for ${duration(now() - oldest)}`)
      sync(held, worker.emails, (email) => email.id, heldEmail)
    },
  }
}

function heldEmail({ id }) {
  const since = h('span', { class: 'note' })
  return {
    node: h('li', {}, h('a', { href: emailHref(id), class: 'mono' }, id), ' ', since),
    update: (email) => text(since, relative(email.since)),
  }
}
