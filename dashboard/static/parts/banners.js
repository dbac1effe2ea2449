// What must be seen before anything else: no server, a pause, relays that are held off, no worker.

import { Lost, Refused } from '../lib/api.js'
import { attribute, foreign, h, sync, text } from '../lib/dom.js'
import { clock, relative } from '../lib/format.js'
import { LANES } from '../lib/words.js'
import { others } from './tiles.js'

const place = document.getElementById('banners')
const ofServer = h('div', {})
const ofQueue = h('div', { class: 'banners' })
place.append(ofServer, ofQueue)

const [lostTitle, lostWords] = [h('strong', {}), h('span', {})]
/** When the server answered last, and whether it does not now. */
let [answered, isLost] = [null, false]

/** The server does not answer, or not with what was asked for. */
export function lost(error) {
  mark(false)
  isLost = true
  document.body.classList.add('stale')
  // Announced when it comes, and when it says something else.
  if (!ofServer.firstChild) ofServer.append(h('p', { class: 'banner bad', role: 'alert' }, lostTitle, ' ', lostWords))
  text(lostTitle, error instanceof Lost ? error.title : error instanceof Refused ? 'The server refuses.' : 'This page has failed.')
  text(lostWords, `${error.message} ${answered ? `What is shown is of ${clock(answered)}. ` : ''}Trying again every two seconds.`)
}

/** The server answers. */
export function reached() {
  mark(true)
  answered = new Date()
  if (!isLost) return
  isLost = false
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

/** Nothing is shown of the queue any more. */
export function clearBanners() {
  reached()
  answered = null
  sync(ofQueue, [], null, create)
}

function create() {
  const [strong, error, rest] = [h('strong', {}), foreign(''), h('span', {})]
  const node = h('p', {}, strong, ' ', error, ' ', rest)
  return {
    node,
    update(banner) {
      attribute(node, 'class', `banner ${banner.kind}`)
      text(strong, banner.title)
      text(error, banner.error ?? '')
      text(rest, banner.rest)
    },
  }
}

function found(queue) {
  const banners = []
  const waiting = queue.states.queued + queue.states.delayed + queue.states.sending + others(queue)
  if (queue.partly_paused.length > 0) {
    const them = queue.partly_paused.length === 1 ? 'it' : 'them'
    const rest = `lane ${queue.partly_paused.join(' and ')}. Pause or resume ${them} again: that reaches all shards.`
    banners.push({ key: 'partly', kind: 'bad', title: 'Paused in some shards only:', rest })
  }
  const paused = queue.paused.filter((lane) => !queue.partly_paused.includes(lane))
  if (paused.length === LANES.length) {
    banners.push({ key: 'paused', kind: 'warn', title: 'The queue is paused.', rest: 'Emails are accepted, and none is handed out.' })
  } else if (paused.length > 0) {
    const lanes = `lane ${paused.join(' and ')}`
    banners.push({ key: 'paused', kind: 'warn', title: 'Paused:', rest: `${lanes}. The others go on.` })
  }
  if (queue.workers === 0) {
    const rest = waiting > 0 ? 'Emails wait until one is started.' : 'Emails that come in will wait.'
    banners.push({ key: 'workers', kind: waiting > 0 ? 'bad' : 'warn', title: 'No worker is running.', rest })
  }
  if (queue.workers > 0 && queue.unserved_shards > 0) {
    const rest = `${queue.unserved_shards} of ${queue.shards}. Emails there wait. Start the workers with as many --shards as the API has.`
    banners.push({ key: 'unserved', kind: 'bad', title: 'No worker serves some shards:', rest })
  }
  for (const relay of queue.relays) {
    const rest = `(${relay.class}). Since ${clock(relay.since)}, next try ${relative(relay.until)}. What its workers would send waits, and uses up no attempt.`
    banners.push({ key: `relay ${relay.name}`, kind: 'bad', title: `Held off from ${relay.name}:`, error: relay.error, rest })
  }
  return banners
}
