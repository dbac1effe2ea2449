// What is past is not shown as the present: deliveries of some minutes ago, and a worker whose lease is over.

import { barriers, inBrowser, open } from './browser.mjs'

const { AT } = process.env

await inBrowser(async (page) => {
  await open(page)
  const tile = page.locator('.tile', { hasText: 'Delivery, p95' })
  const clock = new Date(AT).toLocaleTimeString('en-GB', { timeZone: 'Asia/Kolkata', hour: '2-digit', minute: '2-digit' })
  await tile.locator('.note', { hasText: new RegExp(` at ${clock}$`) }).waitFor()
  await tile.locator('.value', { hasText: /^–$/ }).waitFor()
  const crew = page.locator('.workers')
  await crew.getByText(/^Its lease ended \d+ (s|min) ago; another worker takes its emails back\.$/).waitFor()
  await crew.getByText('No worker is running.').waitFor()
  await crew.getByText('lease until').waitFor({ state: 'detached' })
  await barriers(page, 'overview')
}, { bypassCSP: true, timezoneId: 'Asia/Kolkata' })
