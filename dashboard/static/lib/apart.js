// Something large that is asked for apart from the poll: nothing waits for it, and it is never on its way twice.

/** From the end of a call to the next one for what may be as it was, in ms. */
const PAUSE = 20_000

/** `load(signal)` gets it. Then `done(value)` is called, or `failed(error)`. */
export function apart({ load, done, failed }) {
  let running = null
  let [asked, ended, hasFailed] = [null, 0, false]

  async function run(version) {
    const mine = new AbortController()
    ;[running, asked] = [mine, version]
    const [value, error] = await load(mine.signal).then((value) => [value, null], (error) => [null, error])
    if (mine.signal.aborted) return
    ;[running, ended, hasFailed] = [null, performance.now(), error !== null]
    if (hasFailed) failed(error)
    else done(value)
  }

  return {
    /** To be called with each poll. Asks for another `version` at once; for the same one from time to time if it `mayDiffer`, or could not be had. */
    want(version, mayDiffer) {
      const isTime = (mayDiffer || hasFailed) && performance.now() - ended > PAUSE
      if (!running && (version !== asked || isTime)) run(version)
    },
    /** Asks for what was asked for last. */
    again: () => running ?? run(asked),
    end: () => running?.abort(),
  }
}
