// The whole queue at a glance.

import { get } from '../lib/api.js'
import { h } from '../lib/dom.js'
import { onQueue } from '../lib/queue.js'
import { countScale, timeScale } from '../lib/scale.js'
import { chart } from '../parts/chart.js'
import { classes } from '../parts/classes.js'
import { diagram } from '../parts/diagram.js'
import { lanes } from '../parts/lanes.js'
import { tiles } from '../parts/tiles.js'
import { workers } from '../parts/workers.js'
import { duration, compact, minute as clockOf } from '../lib/format.js'
import { onChanged } from '../parts/actions.js'

const flow = () => chart({
  title: 'Emails per minute',
  unit: (value) => compact(Math.round(value)),
  scale: countScale,
  lines: ['accepted', 'sent', 'delayed', 'failed'].map((name) => ({ name, of: (minute) => minute[name] })),
  summary: (minutes) => ['accepted', 'sent', 'delayed', 'failed']
    .map((name) => `${compact(minutes.reduce((sum, minute) => sum + minute[name], 0))} ${name}`).join(', '),
})

const latency = () => chart({
  title: 'Time to delivery',
  unit: duration,
  scale: timeScale,
  lines: ['p50', 'p95', 'p99'].map((name) => ({ name, of: (minute) => minute.latency_ms?.[name] ?? null })),
  summary: (minutes) => {
    const newest = minutes.findLast((minute) => minute.latency_ms)
    return newest ? `newest, at ${clockOf(newest.time)}: ${['p50', 'p95', 'p99'].map((name) => `${name} ${duration(newest.latency_ms[name])}`).join(', ')}` : 'nothing was delivered'
  },
})

export function overviewView({ refreshSoon }) {
  onChanged(refreshSoon)
  const parts = [tiles(), diagram(), flow(), latency(), lanes(), classes()]
  const crew = workers()
  const ends = parts.map((part) => onQueue(part.update))
  const node = h('div', { class: 'overview' },
    h('h1', { class: 'unseen' }, 'Overview'),
    ...parts.map((part) => part.node), crew.node)
  return {
    title: 'Overview',
    node,
    refresh: async (signal) => crew.update((await get('queue/workers', {}, signal)).data),
    end: () => {
      onChanged(() => {})
      for (const end of ends) end()
      for (const part of parts) part.end?.()
    },
  }
}
