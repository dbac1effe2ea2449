// All queued emails are moved: each lane has its own number, and one into which none would move says so and leaves the others open.

import { barriers, call, inBrowser, open, rows, until } from './browser.mjs'

await inBrowser(async (page) => {
  const dialog = (name) => page.getByRole('dialog', { name })
  const press = (name) => page.getByRole('dialog').getByRole('button', { name, exact: true }).click()
  const begin = async () => {
    await page.getByRole('button', { name: 'Move all…' }).click()
    await dialog('Move queued emails to which lane?').waitFor()
  }
  const choose = async (lane) => {
    await page.getByRole('dialog').getByLabel('Lane').selectOption(lane)
    await press('Count')
  }

  await open(page, '#/emails?status=queued')
  await until('all of them', async () => (await rows(page).count()) === 10)
  await begin()
  await choose('low')
  await dialog('Move 10 emails to lane low?').waitFor()
  await press('Leave it')
  await begin()
  await choose('high')
  await dialog('Move 2 emails to lane high?').filter({ hasText: 'All queued emails in other lanes: 2 now.' }).waitFor()
  await press('Move 2')
  await page.getByRole('status').getByText('2 emails moved.').waitFor()

  await begin()
  await choose('high')
  await page.getByRole('dialog').getByRole('alert').getByText('None would move to lane high: no queued emails are in another lane now.').waitFor()
  await barriers(page, 'dialog')
  await choose('low')
  await dialog('Move 10 emails to lane low?').waitFor()
  await press('Move 10')
  await page.getByRole('status').getByText('10 emails moved.').waitFor()
  await until('all in low', async () => (await call('GET', 'queue')).lanes.find((lane) => lane.name === 'low').queued === 10)
}, { bypassCSP: true })
