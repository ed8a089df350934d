// So many at once, and so many a second from then on: a token bucket for what somebody outside can
// cause.  It reads no clock; whoever asks knows the time.

/** How much of something may be used per time; what is not used adds up, to a bound. */
export class Allowance {
  readonly #burstMax: number
  readonly #perSecond: number
  #left: number
  #filledAt = 0

  constructor(burstMax: number, perSecond: number) {
    this.#burstMax = burstMax
    this.#perSecond = perSecond
    this.#left = burstMax
  }

  /** Takes one, if there is one. */
  take(now: number): boolean {
    const gained = ((now - this.#filledAt) / 1000) * this.#perSecond
    this.#left = Math.min(this.#burstMax, this.#left + Math.max(0, gained))
    this.#filledAt = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
