// A large email on a slow link, while it is in flight: why it waits is there at once, and its text comes, asked for once.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { API, call, inBrowser, open, until } from './browser.mjs'

await inBrowser(async (page) => {
  const text = `The beginning ${randomBytes(3_750_000).toString('base64')}`
  const { id } = await call('POST', 'emails', { from: 'a@acme.example', to: 'slow@example.com', subject: 'Five megabytes', text })
  await until('it in flight', async () => (await call('GET', 'queue')).states.sending === 1)
  await open(page)
  const browser = await page.context().newCDPSession(page)
  // 3 Mbit/s: it takes longer than a call may take without progress.
  await browser.send('Network.enable')
  const link = { offline: false, latency: 40, downloadThroughput: 375_000, uploadThroughput: 375_000 }
  await browser.send('Network.emulateNetworkConditions', link)
  let [asked, polls] = [0, 0]
  page.on('request', (request) => { if (request.url() === `${API}/emails/${id}`) asked += 1 })
  page.on('response', (response) => { if (response.url().endsWith('/why')) polls += 1 })

  await page.evaluate((path) => { location.hash = path }, `#/emails/${id}`)
  await page.locator('.why .sentence', { hasText: 'has been sending it since' }).waitFor()
  await page.locator('.events li.accepted').waitFor()
  await until('polls meanwhile', () => polls >= 2)
  assert.equal(await page.locator('.content').getByText('Loading…').count(), 1, 'the link is not slow')
  await page.getByRole('heading', { name: 'Five megabytes' }).waitFor({ timeout: 60_000 })
  // In flight, it is asked for again only later.
  assert.equal(asked, 1)
  await page.getByRole('tabpanel').getByText('The beginning').waitFor()
  // Part by part: as a whole it would occupy the browser for a long time.
  await page.getByText('100,000 of 5,000,014 characters.').waitFor()
  await page.getByRole('button', { name: 'Show more' }).click()
  await page.getByText('200,000 of 5,000,014 characters.').waitFor()
  const before = polls
  await until('polls afterwards', () => polls >= before + 2)
  await page.getByText('live', { exact: true }).waitFor()

  // Where it alone cannot be had, its panel says so, and the rest goes on.
  await browser.send('Network.emulateNetworkConditions', { ...link, latency: 0, downloadThroughput: -1, uploadThroughput: -1 })
  let isAway = true
  await page.route(`${API}/emails/${id}`, (route) => (isAway ? route.abort() : route.continue()))
  await page.reload()
  const panel = page.locator('.content')
  await panel.getByRole('alert').getByText('There is no answer from the server.').waitFor()
  await page.locator('.why .sentence', { hasText: 'has been sending it since' }).waitFor()
  await page.getByText('live', { exact: true }).waitFor()
  await panel.getByRole('button', { name: 'Try again' }).focus()
  isAway = false
  await page.keyboard.press('Enter')
  await page.getByRole('tabpanel').getByText('The beginning').waitFor()
  await until('no alert', async () => (await panel.getByRole('alert').count()) === 0)
  await until('the focus', () => panel.evaluate((node) => node === document.activeElement))
})
