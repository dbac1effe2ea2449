// An email with characters that are not seen, that turn the text around them, and with words that do not end, wherever it can put text.

import assert from 'node:assert/strict'
import { inBrowser, newPage, open, rows, until } from './browser.mjs'

const { ID, HIDDEN } = process.env
/** As JSON escapes it. */
const ESCAPED = [...HIDDEN].map((character) => (character < '\x7f' && character > ' ' ? character : `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)).join('')

/** Nothing hidden is left anywhere, and nothing is wider than the window. */
async function check(page, name) {
  const found = await page.evaluate(() => {
    const hidden = /[\p{Cf}\u0000-\u0008\u000E-\u001F\u2028\u2029]/u
    const texts = [document.title, document.body.innerText]
    for (const node of document.querySelectorAll('*')) {
      for (const { name, value } of node.attributes) texts.push(value.startsWith('#') ? '' : `${name}=${value}`)
    }
    return texts.filter((text) => hidden.test(text))
  })
  assert.deepEqual(found, [], name)
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(content <= window, `${name}: ${content} of ${window} pixels`)
}

async function look(page) {
  await open(page, '#/emails')
  const row = rows(page).first()
  await row.locator('.chip.failed').waitFor()
  for (const part of ['.to bdi', '.subject a', '.news bdi']) {
    const node = row.locator(part).last()
    assert.ok((await node.innerText()).includes(ESCAPED), `${part}: ${await node.innerText()}`)
    assert.equal(await node.evaluate((shown) => getComputedStyle(shown).unicodeBidi), 'isolate', part)
  }
  await check(page, 'list')
  await row.getByRole('link').click()
  await page.locator('.events li.failed').waitFor()
  await until('the title', async () => (await page.title()).includes(ESCAPED))
  for (const label of ['From', 'To', 'Last error']) {
    const shown = page.locator('.facts dl > div').filter({ has: page.getByText(label, { exact: true }) })
    assert.ok((await shown.innerText()).includes(ESCAPED), label)
  }
  await page.locator('.events .answer', { hasText: ESCAPED }).waitFor()
  await page.locator('.why', { hasText: ESCAPED }).waitFor()
  await page.getByRole('tabpanel').getByText('\\u001B[31m').waitFor()
  for (const tab of ['Text', 'Headers', 'Files', 'Source']) {
    await page.getByRole('tab', { name: tab }).click()
    await page.getByRole('tabpanel').filter({ hasText: ESCAPED }).waitFor()
    await check(page, tab)
  }
  // Escaped, it is the JSON that it was.
  assert.ok(JSON.parse(await page.getByRole('tabpanel').innerText()).subject.includes(HIDDEN))
  await page.getByRole('button', { name: 'Discard' }).click()
  await page.getByRole('dialog').filter({ hasText: ESCAPED }).waitFor()
  await check(page, 'dialog')
  // What there is to press is in sight.
  const { y, height } = await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).boundingBox()
  assert.ok(y + height <= page.viewportSize().height)
  await page.keyboard.press('Escape')
}

await inBrowser(async (page, browser) => {
  await look(page)
  await look(await newPage(browser, { viewport: { width: 390, height: 844 }, isMobile: true }))
  // What belongs to a text stays as it is.
  const kept = ['👩‍💻 ❤️ 1️⃣', 'می‌خواهم', 'क्‍ष', 'שלום', 'a\tb\r\nc']
  assert.deepEqual(await page.evaluate(async (texts) => {
    const { visible } = await import('./lib/visible.js')
    return texts.map(visible)
  }, kept), kept)
  assert.ok(page.url().endsWith(ID))
})
