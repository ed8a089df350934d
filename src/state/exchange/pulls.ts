// Pulls under way: over when somebody had the record, nobody did, or the bound has passed.

import type { Clock, Timer } from '../../core/clock.ts'

interface Pull {
  readonly waits: Set<number> // words of the peers asked
  readonly timer: Timer
}

export interface PullsOptions {
  readonly clock: Clock
  readonly boundMs: number
  readonly over: (ticket: number, found: boolean) => void
}

export class Pulls {
  readonly #given: PullsOptions
  readonly #open = new Map<number, Pull>()

  constructor(given: PullsOptions) {
    this.#given = given
  }

  open(ticket: number, words: readonly number[]): void {
    const timer = this.#given.clock.after(this.#given.boundMs, () => this.#close(ticket, false))
    this.#open.set(ticket, { waits: new Set(words), timer })
  }

  answered(ticket: number, word: number, found: boolean): void {
    const pull = this.#open.get(ticket)
    if (!pull?.waits.delete(word)) return
    if (found || pull.waits.size === 0) this.#close(ticket, found)
  }

  /** The peer will not answer any more. */
  gone(word: number): void {
    for (const ticket of [...this.#open.keys()]) this.answered(ticket, word, false)
  }

  close(): void {
    for (const { timer } of this.#open.values()) timer.cancel()
    this.#open.clear()
  }

  #close(ticket: number, found: boolean): void {
    this.#open.get(ticket)?.timer.cancel()
    if (this.#open.delete(ticket)) this.#given.over(ticket, found)
  }
}
