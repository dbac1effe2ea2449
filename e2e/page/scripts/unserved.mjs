// The workers were started with fewer shards than the API: the overview and an email there say so, and what to do.

import { call, inBrowser, open } from './browser.mjs'

await inBrowser(async (page) => {
  await open(page)
  const banner = page.locator('.banner.bad', { hasText: 'No worker serves some shards: 1 of 2.' })
  await banner.filter({ hasText: 'Start the workers with as many --shards as the API has.' }).waitFor()
  // What is in the shard that is served goes out.
  await page.locator('.diagram.wide .state.sent .number', { hasText: /^[1-9]/ }).waitFor()
  const { data: [{ id }] } = await call('GET', 'emails?status=queued&limit=1')
  await page.goto(`${page.url().split('#')[0]}#/emails/${id}`)
  await page.locator('.why .sentence', { hasText: /No worker serves its shard/ }).waitFor()
  await banner.waitFor()
})
