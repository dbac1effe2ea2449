// All dead letters of a class are retried; those of another class stay.

import assert from 'node:assert/strict'
import { call, inBrowser, open, rows, until } from './browser.mjs'

await inBrowser(async (page) => {
  await until('35 dead letters', async () => (await call('GET', 'queue')).states.failed === 35)
  await open(page, '#/')
  // From the table of classes to their list.
  await page.getByRole('link', { name: '30 failed by recipient' }).click()
  await until('a page of them', async () => (await rows(page).count()) === 25)
  await page.getByRole('button', { name: 'Older' }).click()
  await until('the rest of them', async () => (await rows(page).count()) === 5)
  await page.getByRole('button', { name: 'Retry all' }).click()
  const dialog = page.getByRole('dialog', { name: 'Retry 30 emails?' })
  await dialog.waitFor()
  assert.match(await dialog.innerText(), /failed emails of class recipient: 30 now/)
  await dialog.getByRole('button', { name: 'Retry 30' }).click()
  await page.getByRole('status').getByText('30 emails queued again.').waitFor()
  await page.getByLabel('Class').selectOption('')
  await until('the others alone', async () => (await rows(page).count()) === 5)
  assert.ok((await rows(page).allInnerTexts()).every((row) => row.includes('spam')))
})
