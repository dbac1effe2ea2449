// What the dialogs say of emails that may have arrived, or that some recipients have.

import assert from 'node:assert/strict'
import { call, inBrowser, open, until } from './browser.mjs'

const { SILENT, HALF } = process.env
const TWICE = /may have arrived: (those|their) recipients would get (it|them) twice/

await inBrowser(async (page) => {
  await until('both delayed', async () => (await call('GET', 'queue')).states.delayed === 2)
  const dialog = page.getByRole('dialog')
  const ask = async (name, words) => {
    await page.getByRole('button', { name, exact: true }).click()
    await dialog.getByRole('button', { name: 'Leave it' }).waitFor()
    await dialog.getByText(words).first().waitFor()
    const said = await dialog.innerText()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    return said
  }

  await open(page, `#/emails/${SILENT}`)
  await ask('Retry', /It may have arrived: those recipients would get it twice/)
  await page.evaluate((id) => { location.hash = `#/emails/${id}` }, HALF)
  await page.locator('.facts dl > div', { hasText: 'Sent to' }).getByText('ada@example.com', { exact: true }).waitFor()
  assert.doesNotMatch(await ask('Retry', 'It goes to the recipients who are not known to have got it'), TWICE)
  for (const name of ['Retry', 'Cancel', 'Discard']) await ask(name, '1 of its 2 recipients has it.')
  for (const name of ['Cancel', 'Discard']) assert.doesNotMatch(await ask(name, 'No further recipient gets it'), /will not be sent/)

  await page.evaluate(() => { location.hash = '#/emails?status=delayed' })
  await ask('Retry all', TWICE)
  await page.getByLabel('Class').selectOption('unknown')
  await page.waitForURL(/class=unknown/)
  await ask('Retry all', /The relay got them and did not answer/)
  await page.getByLabel('Class').selectOption('deferred')
  await page.waitForURL(/class=deferred/)
  assert.doesNotMatch(await ask('Retry all', 'of class deferred: 1 now'), TWICE)
})
