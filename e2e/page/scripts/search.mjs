// The oldest of a hundred thousand emails is found by a part of its recipient.

import assert from 'node:assert/strict'
import { inBrowser, newPage, open, rows, until } from './browser.mjs'

await inBrowser(async (page, browser) => {
  await open(page, '#/emails')
  await until('a full page', async () => (await rows(page).count()) === 25)
  await page.getByRole('searchbox', { name: 'Recipient' }).fill('NEEDLE.in@')
  await until('the one', async () => (await rows(page).allInnerTexts()).join().includes('The one'))
  await page.locator('.pages', { hasText: '1 email, looked at 100,001' }).waitFor()
  await until('no other', async () => (await rows(page).count()) === 1)
  // What was searched for is in the address, so that it can be sent to somebody.
  await page.waitForURL(/to=NEEDLE/)
  await page.getByRole('button', { name: 'Clear' }).click()
  await until('a full page again', async () => (await rows(page).count()) === 25)

  // A time in the address is the same for whoever opens it elsewhere.
  const [east, west] = await Promise.all(['Asia/Kolkata', 'America/New_York'].map((timezoneId) => newPage(browser, { timezoneId })))
  await open(east, '#/emails')
  await east.getByLabel('Accepted from').fill('2100-01-01T05:30')
  await east.getByText('No email matches.').waitFor()
  await east.waitForURL((url) => decodeURIComponent(url.hash).includes('from_time=2100-01-01T00:00:00Z'))
  const hash = new URL(east.url()).hash
  await open(west, hash)
  await west.getByText('No email matches.').waitFor()
  assert.match(await west.getByLabel('Accepted from').inputValue(), /^2099-12-31T19:00/)
})
