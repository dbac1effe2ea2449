// A dead letter is opened and retried without a pointer.

import { inBrowser, open, rows } from './browser.mjs'

await inBrowser(async (page) => {
  await open(page, '#/emails?status=failed')
  const link = rows(page).getByRole('link', { name: 'Your invoice' })
  await link.focus()
  await page.keyboard.press('Enter')
  await page.getByText('5.1.1 User unknown').first().waitFor()
  await page.locator('.why .sentence', { hasText: /\S+ \S+/ }).waitFor()
  const retry = page.getByRole('button', { name: 'Retry' })
  await retry.focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Retry 1 email?' }).filter({ hasText: '“Your invoice” to bob@example.com' })
  await dialog.waitFor()
  // Away from it by Escape, and nothing has happened.
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  await page.locator('.title .chip.failed').waitFor()
  await retry.focus()
  await page.keyboard.press('Enter')
  await dialog.waitFor()
  await dialog.getByRole('button', { name: 'Retry' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('status').getByText('Queued again.').waitFor()
  await page.locator('.title .chip.sent').waitFor()
  for (const event of ['accepted', 'failed', 'retried', 'sent']) await page.locator(`.events li.${event}`).first().waitFor()
})
