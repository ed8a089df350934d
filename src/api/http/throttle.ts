// So many a second, so many at once, and no more: a token bucket and a count.
// test/api/trace.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import { Refusal } from './refusal.ts'

/** What may be asked. */
export interface ThrottleLimits {
  /** In the long run. */
  readonly perSecond: number
  /** At once, when nothing was asked for a while. */
  readonly burst: number
  /** Under way at the same time. */
  readonly atOnce: number
}

/** Bounds how often something dear may be asked. */
export class Throttle {
  readonly #clock: Clock
  readonly #limits: ThrottleLimits
  #tokens: number
  #filledAt: number
  #running = 0

  constructor(clock: Clock, limits: ThrottleLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#tokens = limits.burst
    this.#filledAt = clock.now()
  }

  /** Runs the job, or throws 429 with what is expected. */
  async run<T>(what: string, job: () => Promise<T>): Promise<T> {
    this.#fill()
    const { perSecond, atOnce } = this.#limits
    if (this.#tokens < 1) throw tooOften(`too many ${what}; expected at most ${perSecond} a second`)
    if (this.#running >= atOnce)
      throw tooOften(`too many ${what}; expected at most ${atOnce} at once`)
    this.#tokens--
    this.#running++
    try {
      return await job()
    } finally {
      this.#running--
    }
  }

  #fill(): void {
    const now = this.#clock.now()
    const gained = ((now - this.#filledAt) / 1000) * this.#limits.perSecond
    this.#tokens = Math.min(this.#limits.burst, this.#tokens + gained)
    this.#filledAt = now
  }
}

const tooOften = (message: string): Refusal =>
  new Refusal({ status: 429, code: 'TOO_OFTEN', message, headers: { 'retry-after': '1' } })
