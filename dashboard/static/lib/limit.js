// How long a call may take: as long as it likes while something comes. On a slow link a large answer takes long, and comes all the same.

/** How long nothing may come, in ms: until the answer begins, and from one part of it to the next. */
const LIMIT = 10_000

/** A signal that is aborted where `renew()` was not called for that long. `end()` ends the limit. */
export function limited() {
  const limit = new AbortController()
  let timer = null
  const end = () => clearTimeout(timer)
  const renew = () => {
    end()
    timer = setTimeout(() => limit.abort(), LIMIT)
  }
  renew()
  return { signal: limit.signal, renew, end }
}

/** The JSON of an answer, part by part. `progress()` is called with each. */
export async function readJson(response, progress) {
  const [reader, decoder, parts] = [response.body.getReader(), new TextDecoder(), []]
  for (;;) {
    progress()
    const { done, value } = await reader.read()
    if (done) return JSON.parse(parts.join('') + decoder.decode())
    parts.push(decoder.decode(value, { stream: true }))
  }
}
