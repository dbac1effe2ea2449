// The queue is paused and resumed on the page.

import assert from 'node:assert/strict'
import { call, inBrowser, open } from './browser.mjs'

await inBrowser(async (page) => {
  await open(page)
  await page.getByRole('button', { name: 'Pause queue' }).click()
  await page.getByRole('dialog', { name: 'Pause the whole queue?' }).getByRole('button', { name: 'Pause' }).click()
  await page.getByText('The queue is paused.').waitFor()
  const { id } = await call('POST', 'emails', { from: 'a@acme.example', to: 'ada@example.com', subject: 'Waits', text: 'x' })
  await page.goto(`${page.url().split('#')[0]}#/emails/${id}`)
  await page.locator('.why.warn .sentence', { hasText: /paused/i }).waitFor()
  await page.locator('.why', { hasText: 'Resume the lane on the overview.' }).waitFor()
  // The worker looks for a pause about once a second: by then it would have sent the email.
  await page.waitForTimeout(3000)
  assert.equal((await call('GET', `emails/${id}`)).last_event, 'queued')
  // A dialog names what the page has counted last.
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.locator('.diagram.wide .state.queued .number', { hasText: /^1$/ }).waitFor()
  await page.getByRole('button', { name: 'Resume queue' }).click()
  const dialog = page.getByRole('dialog', { name: 'Resume the whole queue?' }).filter({ hasText: '1 email waits there' })
  await dialog.getByRole('button', { name: 'Resume' }).click()
  await page.locator('.diagram.wide .state.sent .number', { hasText: /^1$/ }).waitFor()
  await page.getByText('The queue is paused.').waitFor({ state: 'detached' })
})
