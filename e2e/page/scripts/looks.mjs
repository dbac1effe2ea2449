// Each view in light and dark and on a phone: axe-core finds no barrier, nothing is wider than the window. With `PAGE_SCREENSHOTS` the
// pictures of docs/ are taken.

import assert from 'node:assert/strict'
import { barriers, inBrowser, newPage, open, rows, until } from './browser.mjs'

const { ID, PAGE_SCREENSHOTS: folder } = process.env

const LOOKS = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
]

async function check(page, name, picture) {
  await barriers(page, name)
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

/** The labels of the axes are as wide as their place, whatever the highest value is, and those of one axis are alike. */
async function checkAxes(page, name) {
  const found = await page.evaluate(async () => {
    const { countScale, timeScale } = await import('./lib/scale.js')
    const drawing = document.querySelector('.charted .chart')
    const label = drawing.querySelector('.axis').cloneNode()
    drawing.append(label)
    const bad = []
    const values = [1000, 60_000, 3_600_000, ...Array.from({ length: 80 }, (_, power) => 0.5 * 1.3 ** power)]
    for (const highest of values) {
      for (const scale of [countScale(highest), timeScale(highest)]) {
        const texts = [0.5, 1].map((part) => scale.label(scale.top * part))
        for (const text of texts) {
          label.textContent = text
          if (label.getBBox().x < 0) bad.push(`${text} is cut off`)
        }
        if (scale.top < highest || texts[0] === texts[1]) bad.push(`${highest}: ${texts}`)
        if (texts[0].replace(/\d[\d,.]*/, '') !== texts[1].replace(/\d[\d,.]*/, '')) bad.push(`${texts} are not alike`)
      }
    }
    label.remove()
    for (const drawing of document.querySelectorAll('.chart')) {
      const place = drawing.getBoundingClientRect()
      for (const node of drawing.querySelectorAll('text')) {
        const { left, right } = node.getBoundingClientRect()
        if (left < place.left || right > place.right) bad.push(`${node.textContent} is outside`)
      }
    }
    return bad
  })
  assert.deepEqual(found, [], name)
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
    await checkAxes(page, look)
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
