// What a wrong key, one that sends, one that reads and one for everything may do on the page.

import assert from 'node:assert/strict'
import { API, inBrowser, newPage, open, openWith, rows, until } from './browser.mjs'

const { ID } = process.env

await inBrowser(async (page, browser) => {
  // Looking is not asked for by trying to change something.
  const changes = []
  page.on('request', (request) => { if (request.method() !== 'GET') changes.push(`${request.method()} ${request.url()}`) })
  await openWith(page, 'no-key-at-all')
  await page.getByRole('alert').getByText('The server does not know this key.').waitFor()
  assert.equal(await page.evaluate(() => sessionStorage.length), 0)
  await openWith(page, 'sender-key')
  await page.getByRole('alert').getByText('This key may only send emails.').waitFor()

  await openWith(page, 'reader-key', '#/emails?status=failed')
  await page.getByText('read only').waitFor()
  await until('the dead letter', async () => (await rows(page).count()) === 1)
  assert.equal(await page.getByRole('button', { name: /Retry|Discard|Pause/ }).count(), 0)
  await page.goto(`${API}/dashboard/#/emails/${ID}`)
  await page.getByText('this key may not read it').waitFor()
  assert.equal(await page.getByRole('button', { name: /Retry|Discard/ }).count(), 0)
  assert.ok(!(await page.locator('main').innerText()).includes('Hello'))
  await page.getByRole('button', { name: 'Forget key' }).click()
  await page.getByLabel('API key').waitFor()
  assert.equal(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage })), '{}')
  assert.equal(await page.evaluate(() => document.cookie), '')

  await open(page, `#/emails/${ID}`)
  await page.getByRole('button', { name: 'Discard' }).waitFor()
  await page.getByText('Hello', { exact: true }).waitFor()
  // Kept while the tab is open, and unknown to another one.
  await page.reload()
  await page.getByRole('button', { name: 'Discard' }).waitFor()
  assert.deepEqual(changes, [])
  const other = await newPage(browser)
  await other.goto(`${API}/dashboard/`)
  await other.getByLabel('API key').waitFor()
})
