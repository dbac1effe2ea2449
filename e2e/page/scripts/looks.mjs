// Each view in light and dark and on a phone: axe-core finds no barrier, nothing is wider than the window. With `PAGE_SCREENSHOTS` the
// pictures of docs/ are taken.

import assert from 'node:assert/strict'
import { axe, inBrowser, newPage, open, rows, until } from './browser.mjs'

const { ID, PAGE_SCREENSHOTS: folder } = process.env

const LOOKS = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
]

async function check(page, name, picture) {
  const found = await page.evaluate(`${axe()}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) =>
    id + ': ' + nodes.map((node) => node.html.slice(0, 200) + ' ' + node.failureSummary).join('; ')))`)
  assert.deepEqual(found, [], name)
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(content <= window, `${name}: ${content} of ${window} pixels`)
  // A picture is kept where somebody asks for it, since each run has other times in it.
  if (!folder || !picture) return
  const { width, height } = page.viewportSize()
  // The whole page, or of a long list the beginning.
  await page.setViewportSize({ width, height: Math.min(await page.evaluate(() => document.documentElement.scrollHeight), 2600) })
  if (picture.endsWith('emails')) await page.setViewportSize({ width, height })
  await page.waitForTimeout(500)
  await page.screenshot({ path: `${folder}/${picture}.png` })
  await page.setViewportSize({ width, height })
}

await inBrowser(async (_, browser) => {
  for (const [look, options] of LOOKS) {
    // Its code is given to the page from outside, past the policy; the page's own is watched by the other tests.
    const page = await newPage(browser, { ...options, bypassCSP: true })
    await page.goto(`${process.env.API}/dashboard/`)
    await page.getByLabel('API key').waitFor()
    await check(page, `${look}: key`)
    await open(page)
    await page.locator('.crew li').first().waitFor()
    await page.locator('.chart .line').first().waitFor()
    await check(page, `${look}: overview`, `dashboard-${look}`)
    await page.getByRole('button', { name: 'Pause lane high' }).click()
    await page.getByRole('dialog').waitFor()
    await check(page, `${look}: dialog`)
    await page.keyboard.press('Escape')

    await page.getByRole('link', { name: 'Emails', exact: true }).click()
    await until('a full page', async () => (await rows(page).count()) === 25)
    await check(page, `${look}: emails`)
    await page.getByRole('navigation', { name: 'State' }).getByRole('link', { name: 'failed' }).click()
    await until('the dead letters', async () => (await rows(page).count()) === 13)
    await check(page, `${look}: dead letters`, look === 'light' ? 'dashboard-emails' : null)
    await page.evaluate((id) => { location.hash = `#/emails/${id}` }, ID)
    await page.locator('.events li.failed').waitFor()
    await page.getByRole('tab', { name: 'HTML' }).click()
    await page.frameLocator('iframe.html').frameLocator('iframe').getByRole('heading').waitFor()
    await check(page, `${look}: email`, look === 'dark' ? 'dashboard-email' : null)
    await page.context().close()
  }
})
