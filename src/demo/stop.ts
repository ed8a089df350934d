// How the demo is told to stop: by a signal, or since nobody reads its output any more.

export const STOPPED = 130

export interface Stop {
  readonly signal: Promise<undefined>
  readonly aborted: AbortSignal
  readonly stopped: boolean
}

/**
 * A second signal ends the process at once; the lab then goes synchronously. A terminal and npm
 * may both pass on one Ctrl-C, so what comes within a second is still the first.
 */
export function stopSignal(): Stop {
  const aborter = new AbortController()
  const { signal: aborted } = aborter
  const signal = new Promise<undefined>(done => {
    let firstMs = 0
    const stop = (): void => {
      if (aborted.aborted && performance.now() - firstMs > 1000) process.exit(STOPPED)
      if (!aborted.aborted) firstMs = performance.now()
      aborter.abort()
      done(undefined)
    }
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
    process.stdout.on('error', stop) // nobody reads any more
  })
  return {
    signal,
    aborted,
    get stopped() {
      return aborted.aborted
    }
  }
}
