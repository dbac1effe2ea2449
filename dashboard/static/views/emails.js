// The list of emails: by state, with search, filters, pages, and actions for all that match.

import { get } from '../lib/api.js'
import { h } from '../lib/dom.js'
import { count } from '../lib/format.js'
import { emailsHref } from '../lib/route.js'
import { bulkBar } from '../parts/bulk-bar.js'
import { emailTable } from '../parts/email-table.js'
import { filters } from '../parts/filters.js'
import { pages } from '../parts/pages.js'
import { stateTabs } from '../parts/state-tabs.js'
import { onChanged } from '../parts/actions.js'
import { say } from '../lib/say.js'

/** Emails on a page. */
const LIMIT = 25

export function emailsView({ parameters }) {
  onChanged(() => load())
  let filter = parameters
  /** The cursors of the pages up to this one; the first has none. */
  let cursors = [null]
  let next = null
  /** Whether the last page took one call, so that it may be asked for again every two seconds. */
  let isCheap = true
  let running = null

  const tabs = stateTabs()
  const form = filters((changed) => {
    location.replace(emailsHref({ status: filter.status, ...changed }))
  })
  const bar = bulkBar(() => load())
  const table = emailTable()
  const paging = pages({ older: () => go([...cursors, next]), newer: () => go(cursors.slice(0, -1)), stop: () => running?.abort() })
  const node = h('div', { class: 'emails' }, h('h1', {}, 'Emails'), tabs.node, form.node,
    h('section', { class: 'panel listed', 'aria-label': 'Emails found' }, bar.node, table.node, paging.node))

  function go(wanted) {
    cursors = wanted
    load()
    node.querySelector('h1').scrollIntoView({ block: 'nearest' })
  }

  function change(wanted) {
    filter = wanted
    cursors = [null]
    tabs.show(filter)
    form.show(filter)
    load()
  }

  /** Asks until a page is full, or until everything has been looked at: one call looks at a bounded number of emails. */
  async function load(isQuiet = false) {
    running?.abort()
    const mine = new AbortController()
    running = mine
    const found = []
    let [looked, calls, cursor, more] = [0, 0, cursors.at(-1), true]
    const asked = { ...filter, from_time: instant(filter.from_time), to_time: instant(filter.to_time) }
    if (!isQuiet) paging.busy(true)
    try {
      while (found.length < LIMIT && more) {
        const answer = await get('emails', { ...asked, limit: LIMIT - found.length, after: cursor }, mine.signal)
        calls += 1
        found.push(...answer.data)
        looked += answer.looked_at ?? answer.data.length
        more = answer.has_more || Boolean(answer.next)
        cursor = answer.next ?? answer.data.at(-1)?.id ?? null
        more &&= cursor !== null
        if (!isQuiet && calls > 1) paging.searching(`${count(found.length)} found, looked at ${count(looked)}…`)
        if (!isQuiet) table.show(found, filter)
      }
    } catch (error) {
      if (!mine.signal.aborted) {
        if (isQuiet) throw error
        say(error.message, 'bad')
      } else if (running !== mine) return
      // Somebody has stopped the search: what was found stays.
      more = cursor !== null
    }
    if (running === mine) running = null
    ;[next, isCheap] = [more ? cursor : null, calls <= 1]
    table.show(found, filter)
    bar.show(filter, found)
    const where = looked > found.length ? `looked at ${count(looked)}` : ''
    paging.show({ page: cursors.length, shown: found.length, hasOlder: next !== null, note: where })
    paging.busy(false)
  }

  change(parameters)
  return {
    title: 'Emails',
    node,
    change,
    refresh: async () => {
      // Later pages hold still, so that what is read does not move.
      if (isCheap && cursors.length === 1 && !running) await load(true)
    },
    end: () => {
      onChanged(() => {})
      tabs.end()
      running?.abort()
    },
  }
}

/** A time of the form in the zone of the browser, as the API takes it. */
function instant(local) {
  const date = local ? new Date(local) : null
  return date && !Number.isNaN(date.getTime()) ? date.toISOString() : null
}
