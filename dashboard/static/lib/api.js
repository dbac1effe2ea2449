// Calls of the API, which is one level above this page.

import { key } from './session.js'

/** How long a call may take, in ms. */
const LIMIT = 10_000

/** The API has answered with an error. */
export class Refused extends Error {
  /** `name` is one of the API's words, such as `invalid_api_key`. */
  constructor(status, name, message) {
    super(message)
    this.status = status
    this.name = name
  }

  /** Whether another key is needed. */
  get isAboutKey() {
    return this.status === 401 || this.status === 403
  }
}

/** There is no answer, or one that says that the queue cannot be reached. `title` says which. */
export class Lost extends Error {
  constructor(title, message) {
    super(message)
    this.title = title
  }
}

export const get = (path, parameters, signal) => call('GET', path, { parameters, signal })
export const post = (path, body) => call('POST', path, { body })
export const remove = (path) => call('DELETE', path, {})

/** Whether the server lets this key change anything: it looks at the key before it looks for the email, which does not exist. */
export async function mayWrite() {
  try {
    await post('emails/00000000-0000-7000-8000-000000000000/retry')
  } catch (error) {
    if (error instanceof Lost) throw error
    return error.name !== 'restricted_api_key'
  }
  return true
}

async function call(method, path, { parameters, body, signal }) {
  const url = new URL(`../${path}`, document.baseURI)
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (value !== '' && value !== null && value !== undefined) url.searchParams.set(name, value)
  }
  const headers = { accept: 'application/json' }
  if (key()) headers.authorization = `Bearer ${key()}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  const limit = AbortSignal.timeout(LIMIT)
  let response
  try {
    response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new Lost('No server.', 'There is no answer from the server.')
  }
  const answer = await response.json().catch(() => null)
  if (response.ok) return answer
  const message = answer?.message ?? `The server has answered ${response.status}.`
  // A proxy says in this way that the API is away, and the API that Redis is.
  if (response.status >= 502) throw new Lost('No queue.', message)
  throw new Refused(response.status, answer?.name, message)
}
