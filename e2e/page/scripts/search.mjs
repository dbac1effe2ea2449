// The oldest of a hundred thousand emails is found by a part of its recipient.

import assert from 'node:assert/strict'
import { inBrowser, open, rows, until } from './browser.mjs'

await inBrowser(async (page) => {
  await open(page, '#/emails')
  await until('a full page', async () => (await rows(page).count()) === 25)
  await page.getByRole('searchbox', { name: 'Recipient' }).fill('NEEDLE.in@')
  await until('the one', async () => (await rows(page).allInnerTexts()).join().includes('The one'))
  await page.locator('.pages', { hasText: '1 email, looked at 100,001' }).waitFor()
  assert.equal(await rows(page).count(), 1)
  // What was searched for is in the address, so that it can be sent to somebody.
  assert.match(page.url(), /to=NEEDLE/)
  await page.getByRole('button', { name: 'Clear' }).click()
  await until('a full page again', async () => (await rows(page).count()) === 25)
})
