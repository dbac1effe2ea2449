// An email that tries to run something, wherever it can put text.

import assert from 'node:assert/strict'
import { inBrowser, open, rows, until } from './browser.mjs'

const { ID, SCRIPT } = process.env

await inBrowser(async (page) => {
  await open(page, '#/emails')
  await until('the row', async () => (await rows(page).allInnerTexts()).join().includes(SCRIPT))
  await page.getByRole('link', { name: SCRIPT }).click()
  await page.getByRole('heading', { level: 1, name: `${SCRIPT} {{7*7}}` }).waitFor()
  const shown = (name) => page.getByRole('tabpanel').getByText(name)
  await shown(`${SCRIPT} in the text`).waitFor()
  for (const label of ['From', 'To']) {
    assert.ok((await page.locator('.facts dl > div').filter({ hasText: label }).first().innerText()).includes(SCRIPT), label)
  }
  await page.getByRole('tab', { name: 'Headers' }).click()
  await shown('X-Hostile').waitFor()
  assert.ok((await page.getByRole('tabpanel').innerText()).includes(SCRIPT))
  await page.getByRole('tab', { name: 'Files' }).click()
  await page.getByRole('tabpanel').getByRole('link', { name: `${SCRIPT}.html` }).waitFor()
  await page.getByRole('tab', { name: 'Source' }).click()
  await shown(ID).waitFor()
  await page.getByRole('tab', { name: 'HTML' }).click()
  const inner = page.frameLocator('iframe.html').frameLocator('iframe')
  await inner.getByRole('heading', { name: 'In the HTML' }).waitFor()
  // Its own style is there, and nothing else of it has worked.
  assert.equal(await inner.getByRole('heading').evaluate((node) => getComputedStyle(node).color), 'rgb(255, 0, 0)')
  await inner.getByRole('link', { name: 'a link' }).click()
  await inner.getByRole('button', { name: 'Send' }).click()
  await page.waitForTimeout(500)
  assert.equal(await page.evaluate(() => window.harmed), undefined)
  assert.ok(page.url().endsWith(`#/emails/${ID}`))
  await inner.getByRole('heading', { name: 'In the HTML' }).waitFor()
})
