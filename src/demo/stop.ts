// How the demo is told to stop: by a signal, or since nobody reads its output any more.

/** Exit code of a program that was interrupted: 128 + SIGINT. */
export const STOPPED = 130

/** Whether the demo was told to stop. */
export interface Stop {
  /** Resolves when it is. */
  readonly signal: Promise<undefined>
  /** The same for what takes an AbortSignal. */
  readonly aborted: AbortSignal
  /** Whether it was. */
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
