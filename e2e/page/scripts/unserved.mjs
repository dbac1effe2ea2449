// The workers were started with fewer shards than the API: the overview and an email there say so, and what to do.

import { call, inBrowser, open, until } from './browser.mjs'

await inBrowser(async (page) => {
  await open(page)
  const banner = page.locator('.banner.bad', { hasText: 'No worker serves some shards: 1 of 2.' })
  await banner.filter({ hasText: 'Start the workers with as many --shards as the API has.' }).waitFor()
  // What is in the shard that is served goes out.
  await page.locator('.diagram.wide .state.sent .number', { hasText: /^[1-9]/ }).waitFor()
  const id = await until('an email there', async () => {
    const { data } = await call('GET', 'emails?status=queued&limit=100')
    const whys = await Promise.all(data.map(({ id }) => call('GET', `emails/${id}/why`)))
    return whys.find((why) => why.reason === 'no_worker')?.id
  })
  await page.goto(`${page.url().split('#')[0]}#/emails/${id}`)
  await page.locator('.why .sentence', { hasText: /No worker serves its shard/ }).waitFor()
  await banner.waitFor()
})
