// What must be seen before anything else: no server, a pause, relays that are held off, no worker.

import { Lost } from '../lib/api.js'
import { h, sync, text } from '../lib/dom.js'
import { clock, relative } from '../lib/format.js'
import { LANES } from '../lib/words.js'

const place = document.getElementById('banners')
const ofServer = h('div', {})
const ofQueue = h('div', { class: 'banners' })
place.append(ofServer, ofQueue)

let since = null

/** The server does not answer, or not with what was asked for. */
export function lost(error) {
  mark(false)
  if (since) return
  since = new Date()
  document.body.classList.add('stale')
  ofServer.replaceChildren(h('p', { class: 'banner bad', role: 'alert' },
    h('strong', {}, error instanceof Lost ? `${error.title} ` : 'The server refuses. '), `${error.message} What is shown is of ${clock(since)}; trying again every two seconds.`))
}

/** The server answers. */
export function reached() {
  mark(true)
  if (!since) return
  since = null
  document.body.classList.remove('stale')
  ofServer.replaceChildren()
}

function mark(isLive) {
  const live = document.getElementById('live')
  if (!live) return
  live.classList.toggle('off', !isLive)
  text(live, isLive ? 'live' : 'not live')
}

export function showQueueBanners(queue) {
  sync(ofQueue, found(queue), (banner) => banner.key, create)
}

function create({ kind }) {
  const strong = h('strong', {})
  const rest = document.createTextNode('')
  return {
    node: h('p', { class: `banner ${kind}` }, strong, ' ', rest),
    update(banner) {
      text(strong, banner.title)
      if (rest.data !== banner.rest) rest.data = banner.rest
    },
  }
}

function found(queue) {
  const banners = []
  const waiting = queue.states.queued + queue.states.delayed + queue.states.sending
  if (queue.paused.length === LANES.length) {
    banners.push({ key: 'paused', kind: 'warn', title: 'The queue is paused.', rest: 'Emails are accepted, and none is handed out.' })
  } else if (queue.paused.length > 0) {
    const lanes = `lane ${queue.paused.join(' and ')}`
    banners.push({ key: 'paused', kind: 'warn', title: 'Paused:', rest: `${lanes}. The others go on.` })
  }
  if (queue.workers === 0) {
    const rest = waiting > 0 ? 'Emails wait until one is started.' : 'Emails that come in will wait.'
    banners.push({ key: 'workers', kind: waiting > 0 ? 'bad' : 'warn', title: 'No worker is running.', rest })
  }
  for (const relay of queue.relays) {
    const rest = `${relay.error} (${relay.class}). Since ${clock(relay.since)}, next try ${relative(relay.until)}; emails wait and use up no attempt.`
    banners.push({ key: `relay ${relay.name}`, kind: 'bad', title: `Held off from ${relay.name}:`, rest })
  }
  return banners
}
