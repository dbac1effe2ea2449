// A browser on the page, watched: whatever it complains of fails the script.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const tools = createRequire(`${process.env.PAGE_TOOLS}/of-tests.js`)
const { chromium } = tools('playwright-core')

export const API = process.env.API
export const KEY = 'operator-key'

/** How long the page may take to show something, in ms. */
const LIMIT = 20_000

/** What the page must never do, as `watch` has seen it. */
const faults = []

/** Requests to elsewhere that may have been sent. One that the policy blocks may be seen as well, with that end. */
const leaving = new Set()

/** Runs `script(page)` in a new browser, and ends the process with an error where it fails or the page complains. */
export async function inBrowser(script, options = {}) {
  // Chromium's own sandbox does not run as root.
  const args = ['--disable-dev-shm-usage', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])]
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args })
  try {
    await script(await newPage(browser, options), browser)
    await until('the end of requests to elsewhere', () => leaving.size === 0).catch(() => {})
    assert.deepEqual([...faults, ...[...leaving].map((request) => `request: ${request.url()}`)], [])
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  } finally {
    await browser.close()
  }
}

export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  context.setDefaultTimeout(LIMIT)
  const page = await context.newPage()
  await watch(page)
  return page
}

async function watch(page) {
  await page.addInitScript(() => {
    // In the page alone: in an email's frame the policy is there to be violated.
    if (window === top) addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`))
  })
  page.on('pageerror', (error) => faults.push(`error: ${error.stack}`))
  page.on('dialog', (dialog) => faults.push(`dialog: ${dialog.message()}`))
  page.on('popup', () => faults.push('a window was opened'))
  page.on('console', (message) => {
    if (message.type() === 'error' && message.text().startsWith('CSP:')) faults.push(message.text())
  })
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url())
    if (protocol !== 'about:' && protocol !== 'data:' && origin !== API) leaving.add(request)
  })
  page.on('requestfailed', (request) => {
    if (!leaving.delete(request)) return
    const why = request.failure()?.errorText
    if (why !== 'csp') faults.push(`request: ${request.url()} (${why})`)
  })
}

/** Opens a view with a key, as somebody types it in. */
export async function openWith(page, key, hash = '#/') {
  await page.goto(`${API}/dashboard/${hash}`)
  await page.getByLabel('API key').fill(key)
  await page.getByRole('button', { name: 'Open' }).click()
}

/** Opens a view with the key for everything, and waits for it. */
export async function open(page, hash = '#/') {
  await openWith(page, KEY, hash)
  await page.getByText('live', { exact: true }).waitFor()
}

/** A call of the API, with the key for everything. */
export async function call(method, path, body) {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
  const response = await fetch(`${API}/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
  const answer = await response.json()
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`)
  return answer
}

/** The rows of the list, as text. */
export const rows = (page) => page.locator('table.list tbody tr')

/** Fails where axe-core finds a barrier. The page must have been made with `bypassCSP`, for that code comes from outside. */
export async function barriers(page, name) {
  const found = await page.evaluate(`${tools('axe-core').source}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) =>
    id + ': ' + nodes.map((node) => node.html.slice(0, 200) + ' ' + node.failureSummary).join('; ')))`)
  assert.deepEqual(found, [], name)
}

/** Waits until a condition on the page holds; `read` is asked again and again, for so many ms. */
export async function until(what, read, limit = LIMIT) {
  const end = Date.now() + limit
  for (;;) {
    const value = await read()
    if (value) return value
    if (Date.now() > end) assert.fail(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
