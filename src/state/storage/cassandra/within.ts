// A promise with a bound: what a library does over a network may never end.

import type { Clock, Timer } from '../../../core/clock.ts'

/** As the promise, unless it takes longer: then it rejects, and what comes of it is not awaited. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  promise: Promise<T>,
  what: string
): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_, reject) => {
    timer = clock.after(limitMs, () => reject(new Error(`${what} took more than ${limitMs} ms`)))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    timer?.cancel()
  }
}
