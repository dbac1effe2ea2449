// No worker runs: what is only on the lists is seen, a pause in one of two shards is seen and ended, and an email is discarded twice.

import assert from 'node:assert/strict'
import { call, inBrowser, open } from './browser.mjs'

await inBrowser(async (page) => {
  await open(page)
  const low = page.locator('.lanes tbody tr', { hasText: 'low' })
  await low.getByText('0 + 3 entries').waitFor()
  await low.getByText(/paused since .*, in 1 of 2 shards/).waitFor()
  const tile = (name) => page.locator('.tile', { hasText: name }).locator('.value')
  await page.getByText('3 of them only on the lists').waitFor()
  await page.getByText('what other programs have pushed').waitFor()
  await tile('Oldest waiting').getByText('unknown', { exact: true }).waitFor()
  await page.getByText('Paused in some shards only:').waitFor()
  await low.getByRole('button', { name: 'Resume lane low' }).click()
  const dialog = page.getByRole('dialog', { name: 'Resume lane low?' }).filter({ hasText: /0 emails and 3 entries .* wait there/ })
  await dialog.getByRole('button', { name: 'Resume' }).click()
  await page.getByText('Paused in some shards only:').waitFor({ state: 'detached' })

  const { id } = await call('POST', 'emails', { from: 'a@acme.example', to: 'ada@example.com', subject: 'Goes nowhere', text: 'x' })
  await page.goto(`${page.url().split('#')[0]}#/emails/${id}`)
  await page.getByRole('button', { name: 'Discard' }).click()
  await page.getByRole('dialog', { name: 'Discard 1 email?' }).getByRole('button', { name: 'Discard' }).click()
  await page.locator('.title .chip', { hasText: 'discarded' }).waitFor()
  await page.locator('.events li.discarded').waitFor()
  assert.equal((await call('DELETE', `emails/${id}`)).id, id)
})
