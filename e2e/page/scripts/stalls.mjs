// An email comes halfway, and then nothing more: that is given up and said in its place, and it comes when it is asked for again.

import { inBrowser, open, until } from './browser.mjs'

await inBrowser(async (page) => {
  await open(page, `#/emails/${process.env.ID}`)
  const panel = page.locator('.content')
  await panel.getByRole('alert').getByText('its answer was cut off').waitFor()
  await page.getByText('live', { exact: true }).waitFor()
  // The browser may have other connections that are silent, and take one of those first.
  await until('the email', async () => {
    if (await page.getByRole('tabpanel').getByText('The beginning').count()) return true
    await panel.getByRole('button', { name: 'Try again' }).click({ timeout: 500 }).catch(() => {})
    return false
  }, 90_000)
})
