// Actions on one email and on the queue while Redis is frozen or the server is away: the dialog says what is known, and tries again.

import assert from 'node:assert/strict'
import { call, inBrowser, open, rows, until } from './browser.mjs'

const { ID, REDIS_PID } = process.env
const redis = (signal) => process.kill(Number(REDIS_PID), signal)

await inBrowser(async (page) => {
  const dialog = page.getByRole('dialog')
  const press = (name) => dialog.getByRole('button', { name, exact: true }).click()
  const failure = dialog.getByRole('alert')

  await open(page, `#/emails/${ID}`)
  await page.getByRole('button', { name: 'Retry' }).click()
  redis('SIGSTOP')
  await press('Retry')
  await failure.getByText(/not known whether/).waitFor()
  await until('the focus', async () => (await page.evaluate(() => document.activeElement.textContent)) === 'Try again')
  redis('SIGCONT')
  await press('Try again')
  // The first call may have been carried out once Redis went on: then the second one is refused, and says so.
  await until('an end', async () => (await dialog.count()) === 0 || (await failure.getByText('only one that has failed').count()) === 1)
  if (await dialog.count()) await press('Close')
  await page.locator('.title .chip.sent').waitFor()

  // Nobody has to wait for an answer.
  await page.getByRole('button', { name: 'Pause queue' }).click()
  redis('SIGSTOP')
  await press('Pause')
  await press('Stop')
  await failure.getByText(/not known whether/).waitFor()
  redis('SIGCONT')
  await press('Close')
  await until('the queue again', async () => (await page.getByText('live', { exact: true }).count()) === 1)

  await page.context().setOffline(true)
  await page.getByRole('button', { name: /(Pause|Resume) queue/ }).click()
  const action = await page.getByRole('button', { name: /(Pause|Resume) queue/ }).innerText().then((name) => name.split(' ')[0])
  await press(action)
  await failure.getByText('There is no answer from the server, so it is not known whether this was done.').waitFor()
  await page.context().setOffline(false)
  await press('Try again')
  await page.getByRole('status').getByText(`${action}d the whole queue.`).waitFor()
  await call('POST', 'queue/resume', {})

  // A list and the files of an email that cannot be had say so in their place, and come by themselves or when they are asked for.
  await page.context().setOffline(true)
  await page.getByRole('tab', { name: 'Files' }).click()
  await page.getByRole('tabpanel').getByRole('alert').getByText('There is no answer').waitFor()
  await page.getByRole('tab', { name: 'Headers' }).click()
  await page.getByRole('link', { name: 'Emails', exact: true }).click()
  await page.locator('.listed').getByRole('alert').getByText('There is no answer').waitFor()
  assert.equal(await page.getByText('No email matches.').count(), 0, 'it is not known whether there are any')
  await page.context().setOffline(false)
  await until('the list', async () => (await rows(page).count()) === 1)
  // And it goes on by itself.
  await page.context().setOffline(true)
  await page.getByText('not live', { exact: true }).waitFor()
  await page.context().setOffline(false)
  await page.getByText('live', { exact: true }).waitFor()
  await call('POST', 'emails', { from: 'a@acme.example', to: 'eve@example.com', subject: 'After the loss', text: 'x' })
  await rows(page).filter({ hasText: 'After the loss' }).locator('.chip.sent').waitFor()
})
