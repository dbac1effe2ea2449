// Repeats a task while the page is visible.

/** From the end of a task to its next beginning, in ms. */
const PAUSE = 2000

/** Runs `task(signal)` at once and then every two seconds; nothing while the page is hidden. `now()` runs it at once, `stop()` ends it. */
export function poll(task) {
  let timer = null
  let running = null

  async function run() {
    clearTimeout(timer)
    running?.abort()
    if (document.hidden) return
    const mine = new AbortController()
    running = mine
    await task(mine.signal).catch((error) => {
      // A call that was broken off is no fault of the task.
      if (!mine.signal.aborted) console.error(error)
    })
    if (running === mine) timer = setTimeout(run, PAUSE)
  }

  function look() {
    if (!document.hidden) run()
    else {
      clearTimeout(timer)
      running?.abort()
      running = null
    }
  }

  document.addEventListener('visibilitychange', look)
  run()
  return {
    now: run,
    stop() {
      document.removeEventListener('visibilitychange', look)
      clearTimeout(timer)
      running?.abort()
      running = null
    },
  }
}
