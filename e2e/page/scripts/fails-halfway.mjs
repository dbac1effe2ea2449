// An action for all fails halfway, because Redis is frozen, says how far it came, and goes on from there.

import assert from 'node:assert/strict'
import { call, inBrowser, open, until } from './browser.mjs'

const redis = (signal) => process.kill(Number(process.env.REDIS_PID), signal)
const number = (text) => Number(text.replaceAll(',', ''))

await inBrowser(async (page) => {
  const dialog = page.getByRole('dialog')
  const press = (name) => dialog.getByRole('button', { name }).click()
  const done = async () => number((await dialog.innerText()).match(/([\d,]+) of about 40,000 emails discarded/)?.[1] ?? '0')

  await open(page, '#/emails?status=queued')
  await page.getByRole('button', { name: 'Discard all' }).click()
  await page.getByRole('dialog', { name: 'Discard 40,000 emails?' }).waitFor()
  await press('Discard 40,000')
  await until('a first step', async () => (await done()) > 0)
  redis('SIGSTOP')
  await dialog.getByRole('alert').waitFor()
  const before = await done()
  assert.ok(before > 0 && before < 40_000, `${before}`)
  redis('SIGCONT')

  // Stopped between two steps, it says so; and goes on.
  await press('Try again')
  await until('a further step', async () => (await done()) > before || (await dialog.count()) === 0)
  if (await dialog.count()) {
    await press('Stop')
    await until('the stop or the end', async () => (await dialog.getByText('What was done stays done.').count()) === 1 || (await dialog.count()) === 0)
    if (await dialog.count()) await press('Go on')
  }
  await page.getByRole('status').getByText(/At least [\d,]+ emails discarded\./).waitFor()
  assert.equal((await call('GET', 'queue')).states.queued, 0)
})
