// The row with the focus leaves the list: the next one gets it, then the one before, and at last the list. A button that goes leaves it near.

import { call, inBrowser, open, rows, until } from './browser.mjs'

await inBrowser(async (page) => {
  const { data } = await call('GET', 'emails?status=queued')
  const [newest, middle, oldest] = data
  const focused = (email) => until(`the focus on ${email.subject}`, () => page.evaluate(({ id }) =>
    document.activeElement.matches('table.list a') && document.activeElement.hash === `#/emails/${id}`, email))
  await open(page, '#/emails?status=queued')
  await until('the list', async () => (await rows(page).count()) === 3)
  await rows(page).getByRole('link', { name: middle.subject }).focus()
  // A row that comes in above takes nothing away.
  const { id } = await call('POST', 'emails', { from: 'a@acme.example', to: 'ada@example.com', subject: 'On top', text: 'x' })
  await until('another row', async () => (await rows(page).count()) === 4)
  await focused(middle)
  await call('DELETE', `emails/${middle.id}`)
  await focused(oldest)
  await call('DELETE', `emails/${oldest.id}`)
  await focused(newest)
  for (const each of [newest.id, id]) await call('DELETE', `emails/${each}`)
  await page.getByText('No email matches.').waitFor()
  await until('the focus on the list', () => page.evaluate(() => document.activeElement.getAttribute('aria-label') === 'Emails found'))

  const recipient = page.getByRole('searchbox', { name: 'Recipient' })
  await recipient.fill('nobody')
  await page.getByRole('button', { name: 'Clear' }).focus()
  await page.keyboard.press('Enter')
  await until('the focus on the first field', () => recipient.evaluate((node) => node === document.activeElement && node.value === ''))
})
