// An email changes while it is open: a dialog names its state as it is now. Times are those of the browser's zone, also within a sentence.

import assert from 'node:assert/strict'
import { call, inBrowser, open, until } from './browser.mjs'

await inBrowser(async (page) => {
  const at = (ms) => new Date(Date.now() + ms).toISOString()
  await call('POST', 'queue/pause', {})
  const email = { from: 'a@acme.example', to: 'ada@example.com', subject: 'Reset your password', text: 'x' }
  const { id } = await call('POST', 'emails', { ...email, scheduled_at: at(86_400_000) })
  await open(page, `#/emails/${id}`)
  await page.locator('.title .chip.scheduled').waitFor()
  await page.getByRole('button', { name: 'Discard' }).waitFor()
  await call('PATCH', `emails/${id}`, { scheduled_at: at(1000) })
  await page.locator('.title .chip.queued').waitFor()
  await page.getByRole('button', { name: 'Discard' }).click()
  await page.getByRole('dialog').getByText('It is queued now. No further recipient gets it, and it is forgotten.').waitFor()
  await page.keyboard.press('Escape')

  const sentence = page.locator('.why .sentence', { hasText: 'has been paused since' })
  await sentence.waitFor()
  const { sentence: said } = await call('GET', `emails/${id}/why`)
  const since = said.match(/since (\S+Z)/)[1]
  const time = await sentence.locator('time').first().evaluate((node) => [node.dateTime, node.textContent])
  const clock = new Date(since).toLocaleTimeString('en-GB', { timeZone: 'Asia/Kolkata' })
  assert.equal(time[0], since)
  assert.ok(time[1].endsWith(clock), `${time} is not ${clock}`)
  assert.doesNotMatch(await sentence.innerText(), /\dZ/)
  // It is left alone while it says the same: what is selected in it stays.
  await sentence.evaluate((node) => { node.isTheSame = true })
  await until('two more polls', polls(page, 2))
  assert.ok(await sentence.evaluate((node) => node.isTheSame))
  // What looks like a time and is none is left as it is.
  assert.deepEqual(await page.evaluate(async () => {
    const { withTimes } = await import('./lib/times.js')
    return withTimes('at 2026-99-99T99:99:99Z.').join('')
  }), 'at 2026-99-99T99:99:99Z.')
}, { timezoneId: 'Asia/Kolkata' })

/** Becomes true after so many more answers of the queue. */
function polls(page, wanted) {
  let seen = 0
  page.on('response', (response) => { if (response.url().endsWith('/why')) seen += 1 })
  return () => seen >= wanted
}
