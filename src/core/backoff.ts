// What is tried again, and when: each wait is twice as long as the one before it, up to a bound.
// backoff.test.ts holds it.

import type { Clock, Timer } from './clock.ts'

const FIRST_MS = 1000
const MAX_MS = 30_000

/** How long to wait before the next try: longer with each, up to a bound. */
export class Backoff {
  readonly #firstMs: number
  readonly #maxMs: number
  #nextMs: number

  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs
    this.#maxMs = maxMs
    this.#nextMs = firstMs
  }

  /** Milliseconds to wait now; the next time twice as many. */
  next(): number {
    const delayMs = this.#nextMs
    this.#nextMs = Math.min(this.#maxMs, delayMs * 2)
    return delayMs
  }

  /** It went well: the next wait is the first again. */
  reset(): void {
    this.#nextMs = this.#firstMs
  }
}

/** Tries something again later: after a second, then after twice as long, 30 s at most. */
export class Retry {
  readonly #clock: Clock
  readonly #fire: () => void
  readonly #backoff = new Backoff(FIRST_MS, MAX_MS)
  #timer: Timer | null = null
  #isClosed = false

  /** `fire`: tries it again. */
  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock
    this.#fire = fire
  }

  /** It did not go well. While a try is to come there is no other. */
  later(): void {
    if (this.#timer !== null || this.#isClosed) return
    this.#timer = this.#clock.after(this.#backoff.next(), () => {
      this.#timer = null
      this.#fire()
    })
  }

  /** It went well: nothing is to be tried, and the next wait is the first again. */
  reset(): void {
    this.#cancel()
    this.#backoff.reset()
  }

  /** Nothing is tried again any more. */
  close(): void {
    this.#isClosed = true
    this.#cancel()
  }

  #cancel(): void {
    this.#timer?.cancel()
    this.#timer = null
  }
}
