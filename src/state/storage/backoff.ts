// How long to wait before the next try: twice as long as before the last one, up to a bound.

export class Backoff {
  readonly #firstMs: number
  readonly #maxMs: number
  #nextMs: number

  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs
    this.#maxMs = maxMs
    this.#nextMs = firstMs
  }

  next(): number {
    const delayMs = this.#nextMs
    this.#nextMs = Math.min(this.#maxMs, delayMs * 2)
    return delayMs
  }

  reset(): void {
    this.#nextMs = this.#firstMs
  }
}
