// The page loses the server and finds it again; while nobody sees it, it asks for nothing.

import assert from 'node:assert/strict'
import { API, inBrowser, open, until } from './browser.mjs'

await inBrowser(async (page) => {
  let asked = 0
  page.on('request', (request) => { if (request.url().startsWith(`${API}/queue`)) asked += 1 })
  await open(page)
  await page.context().setOffline(true)
  await page.getByRole('alert').getByText('No server.').waitFor()
  await page.getByText('not live', { exact: true }).waitFor()
  await page.context().setOffline(false)
  await page.getByText('live', { exact: true }).waitFor()
  await page.getByText('No server.').waitFor({ state: 'detached' })

  const show = (isHidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value })
    document.dispatchEvent(new Event('visibilitychange'))
  }, isHidden)
  await show(true)
  const before = asked
  await page.waitForTimeout(4500)
  assert.equal(asked, before, 'it has asked while it was hidden')
  await show(false)
  await until('a question at once', () => asked > before)
})
