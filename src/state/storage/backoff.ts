// How long to wait before the next try: twice as long as before the last one, up to a bound.
// test/state/journal.test.ts holds it.

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
