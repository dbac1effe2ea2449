// An email is posted while the list is open, and shows up there, then as sent, without a reload.

import assert from 'node:assert/strict'
import { call, inBrowser, open, rows } from './browser.mjs'

await inBrowser(async (page) => {
  await open(page, '#/emails')
  await page.getByText('No email matches.').waitFor()
  await page.evaluate(() => { window.isTheSame = true })
  const { id } = await call('POST', 'emails', { from: 'a@acme.example', to: 'ada@example.com', subject: 'Hello Ada', text: 'x' })
  const row = rows(page).filter({ hasText: 'Hello Ada' })
  await row.locator('.chip.sent').waitFor()
  await row.getByRole('link', { name: 'Hello Ada' }).click()
  await page.getByRole('heading', { name: 'Hello Ada' }).waitFor()
  assert.ok(page.url().endsWith(`#/emails/${id}`))
  await page.locator('.events li.sent').waitFor()
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.locator('.diagram.wide .state.sent .number', { hasText: /^1$/ }).waitFor()
  assert.ok(await page.evaluate(() => window.isTheSame), 'the page was loaded again')
})
