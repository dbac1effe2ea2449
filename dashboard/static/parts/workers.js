// The workers: what they were started with, and what they hold since when. One whose lease is over is there until its emails are taken back.

import { attribute, h, hide, sync, text } from '../lib/dom.js'
import { clock, count, duration, emails, now, relative } from '../lib/format.js'
import { emailHref } from '../lib/route.js'
import { panel } from './panel.js'

export function workers() {
  const list = h('ul', { class: 'crew' })
  const none = h('p', { class: 'note' }, 'No worker is running.')
  return {
    node: panel('Workers', { class: 'workers' }, none, list),
    update(data) {
      none.hidden = data.some(isLive)
      sync(list, data, (worker) => worker.id, create)
    },
  }
}

const isLive = (worker) => Date.parse(worker.lease_until) > now()

function create() {
  const [name, about, load] = [h('strong', {}), h('span', { class: 'note' }), h('span', { class: 'load' })]
  const over = h('p', { class: 'failure' })
  const meter = h('meter', { min: 0 })
  const held = h('ol', { class: 'held' })
  const summary = h('summary', {})
  const details = h('details', {}, summary, held)
  return {
    node: h('li', {}, h('div', { class: 'head' }, name, load, meter), over, about, details),
    update(worker) {
      text(name, worker.host ? `${worker.host} · ${worker.pid}` : worker.id)
      const facts = [
        worker.version && `version ${worker.version}`,
        worker.started_at && `up ${duration(now() - Date.parse(worker.started_at))}`,
        worker.relays?.length > 0 && `to ${worker.relays.join(', ')}`,
        worker.shards?.length > 1 && `shards ${worker.shards.join(', ')}`,
        isLive(worker) && `lease until ${clock(worker.lease_until)}`,
      ]
      text(about, facts.filter(Boolean).join(' · '))
      over.hidden = isLive(worker)
      text(over, over.hidden ? '' : `Its lease ended ${relative(worker.lease_until)}${worker.in_flight > 0 ? '; another worker takes its emails back' : ''}.`)
      const most = worker.concurrency || worker.in_flight || 1
      text(load, worker.concurrency ? `${count(worker.in_flight)} of ${count(worker.concurrency)} in flight` : `${count(worker.in_flight)} in flight`)
      meter.max = most
      meter.value = worker.in_flight
      attribute(meter, 'aria-label', `In flight at ${name.textContent}`)
      hide(details, worker.emails.length === 0)
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
