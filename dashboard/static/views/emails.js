// The list of emails: by state, with search, filters, pages, and actions for all that match.

import { Refused, get } from '../lib/api.js'
import { h } from '../lib/dom.js'
import { count } from '../lib/format.js'
import { emailsHref, rememberList } from '../lib/route.js'
import { FILTERS } from '../lib/words.js'
import { bulkBar } from '../parts/bulk-bar.js'
import { emailTable } from '../parts/email-table.js'
import { filters } from '../parts/filters.js'
import { pages } from '../parts/pages.js'
import { problem } from '../parts/problem.js'
import { stateTabs } from '../parts/state-tabs.js'
import { onChanged } from '../parts/actions.js'

/** Emails on a page. */
const LIMIT = 25

/** With which cursors the pages of the last list began, so that there is a way back from a page, also after a look at an email. */
let trail = { list: '', cursors: [''] }

export function emailsView({ parameters }) {
  onChanged(() => load())
  let [filter, after, next] = [{}, '', null]
  /** Whether the last page took one call, so that it may be asked for again every two seconds. */
  let isCheap = true
  let running = null

  const tabs = stateTabs()
  const bar = bulkBar(() => load())
  const form = filters({
    changed: (values) => location.replace(emailsHref({ status: filter.status, ...values })),
    typing: (isTyping) => bar.show(filter, isTyping),
  })
  const table = emailTable()
  const trouble = problem(() => load())
  const paging = pages({
    older: () => go(next),
    newer: () => go(trail.cursors[page() - 1] ?? ''),
    stop: () => running?.abort(),
  })
  const listed = h('section', { class: 'panel listed', tabindex: -1, 'aria-label': 'Emails found' }, bar.node, trouble.node, table.node, paging.node)
  const node = h('div', { class: 'emails' }, h('h1', {}, 'Emails'), tabs.node, form.node, listed)

  /** The number of this page, from 0 on. Of one that was opened by its address it is not known: after the first one. */
  const page = () => trail.cursors.indexOf(after)

  function go(cursor) {
    location.hash = emailsHref({ ...filter, after: cursor })
    node.querySelector('h1').scrollIntoView({ block: 'nearest' })
  }

  function change(wanted) {
    filter = Object.fromEntries(['status', ...FILTERS].map((name) => [name, wanted[name]?.trim()]).filter(([, value]) => value))
    after = wanted.after ?? ''
    const list = emailsHref(filter)
    if (trail.list !== list || page() < 0) trail = { list, cursors: after ? ['', after] : [''] }
    rememberList(emailsHref({ ...filter, after }))
    tabs.show(filter)
    form.show(filter)
    bar.show(filter)
    load()
  }

  /** Asks until a page is full, or until everything has been looked at: one call looks at a bounded number of emails. */
  async function load(isQuiet = false) {
    running?.abort()
    const mine = new AbortController()
    running = mine
    const found = []
    let [looked, calls, cursor, more, failure] = [0, 0, after || null, true, null]
    if (!isQuiet) busy(true)
    try {
      while (found.length < LIMIT && more) {
        const answer = await get('emails', { ...filter, limit: LIMIT - found.length, after: cursor }, mine.signal)
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
      // Where somebody has stopped the search, what was found stays.
      if (!mine.signal.aborted) failure = error
      more = cursor !== null
    }
    // Another one has begun.
    if (running !== mine) return
    running = null
    busy(false)
    // What passes is told for the whole page, and what is shown stays; what is refused for good is about this list.
    const isFinal = failure instanceof Refused && !failure.passes
    if (isQuiet && failure && (!isFinal || failure.isAboutKey)) throw failure
    trouble.show(failure)
    ;[next, isCheap] = [more ? cursor : null, calls <= 1 && !isFinal]
    if (failure && found.length === 0) table.clear()
    else table.show(found, filter)
    if (next) trail.cursors[page() + 1] = next
    const where = failure ? 'the rest is not known' : looked > found.length ? `looked at ${count(looked)}` : ''
    paging.show({ page: page() + 1, shown: found.length, hasOlder: next !== null, note: where })
  }

  function busy(isBusy) {
    listed.setAttribute('aria-busy', isBusy)
    paging.busy(isBusy)
  }

  change(parameters)
  return {
    title: 'Emails',
    node,
    change,
    refresh: async () => {
      // Later pages hold still, so that what is read does not move.
      if (isCheap && after === '' && !running) await load(true)
    },
    end: () => {
      onChanged(() => {})
      tabs.end()
      form.end()
      running?.abort()
    },
  }
}
