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
  // From an email back to the page on which it was, by the link and by the browser's own button.
  for (const back of [() => page.getByRole('link', { name: '← Emails' }).click(), () => page.goBack()]) {
    await rows(page).getByRole('link').first().click()
    await page.locator('.events li').first().waitFor()
    await back()
    await page.locator('.pages', { hasText: 'Page 2, 5 emails' }).waitFor()
    await until('the same page', async () => (await rows(page).count()) === 5)
  }
  await page.getByRole('button', { name: 'Newer' }).click()
  await until('the first page', async () => (await rows(page).count()) === 25)

  // What is seen is narrower than what these act on: they are off, and say why. Already while somebody types.
  const [retry, discard] = ['Retry all', 'Discard all'].map((name) => page.getByRole('button', { name }))
  const typed = await page.getByRole('searchbox', { name: 'Recipient' }).evaluate((input) => {
    input.value = 'unknown7@'
    input.dispatchEvent(new Event('input', { bubbles: true }))
    return [...document.querySelectorAll('.bulk button')].every((button) => button.disabled)
  })
  assert.ok(typed)
  await until('the one', async () => (await rows(page).count()) === 1)
  await page.getByText('The list is narrowed by recipient too').waitFor()
  await until('both off', async () => (await retry.isDisabled()) && (await discard.isDisabled()))
  await page.getByRole('button', { name: 'Clear' }).click()
  await page.getByLabel('Class').selectOption('recipient')
  await until('the first page again', async () => (await rows(page).count()) === 25)
  // A click waits until it is on again.
  await retry.click()
  const dialog = page.getByRole('dialog', { name: 'Retry 30 emails?' }).filter({ hasText: /failed emails of class recipient: 30 now/ })
  await dialog.getByRole('button', { name: 'Retry 30' }).click()
  await page.getByRole('status').getByText('30 emails queued again.').waitFor()
  // The overview counts them still.
  await page.getByText('No email is failed with class recipient now. The overview counts since the queue was created').waitFor()
  await page.getByLabel('Class').selectOption('')
  await until('the others alone', async () => (await rows(page).count()) === 5)
  assert.ok((await rows(page).allInnerTexts()).every((row) => row.includes('spam')))
})
