// Calls of the API, which is one level above this page.

import { limited, readJson } from './limit.js'
import { key } from './session.js'

const UNKNOWN = 'it is not known whether this was done.'

/** The API has answered with an error. */
export class Refused extends Error {
  /** `name` is one of the API's words, such as `invalid_api_key`; `retryAfter` is in seconds, where the API says so. */
  constructor(status, name, message, retryAfter = null) {
    super(message)
    this.status = status
    this.name = name
    this.retryAfter = retryAfter
  }

  /** Whether it may be different the next time, as after too many requests. */
  get passes() {
    return this.status === 429 || this.status >= 500
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
export const post = (path, body, signal) => call('POST', path, { body, signal, isChange: true })
export const remove = (path, signal) => call('DELETE', path, { signal, isChange: true })

/** A POST that changes nothing. */
export const ask = (path, body, signal) => call('POST', path, { body, signal })

async function call(method, path, { parameters, body, signal, isChange = false }) {
  const url = new URL(`../${path}`, document.baseURI)
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (value !== '' && value !== null && value !== undefined) url.searchParams.set(name, value)
  }
  const headers = { accept: 'application/json' }
  if (key()) headers.authorization = `Bearer ${key()}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  const limit = limited()
  let [response, answer] = [null, null]
  try {
    response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    })
  } catch (error) {
    limit.end()
    if (signal?.aborted && !isChange) throw error
    throw new Lost('No server.', `There is no answer from the server${isChange ? `, so ${UNKNOWN}` : '.'}`)
  }
  try {
    answer = await readJson(response, limit.renew)
  } catch {
    // Cut off, stalled, or not JSON.
  } finally {
    limit.end()
  }
  if (response.ok && answer !== null) return answer
  if (signal?.aborted && !isChange) throw signal.reason
  if (response.ok) throw new Lost('No queue.', `What has answered is not the API, or its answer was cut off${isChange ? `, so ${UNKNOWN}` : '.'}`)
  const message = answer?.message ?? `The server has answered ${response.status}${isChange && response.status >= 500 ? `, so ${UNKNOWN}` : '.'}`
  // A proxy says in this way that the API is away, and the API that Redis is.
  if (response.status >= 502) throw new Lost('No queue.', message)
  throw new Refused(response.status, answer?.name, message, Number(response.headers.get('retry-after')) || null)
}
