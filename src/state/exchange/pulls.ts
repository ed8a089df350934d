// Pulls under way: over when somebody had the record, nobody did, or the bound has passed.
// test/state/memory-exchange.test.ts holds it.

import type { Clock, Timer } from '../../core/clock.ts'

interface Pull {
  readonly waits: Set<number> // words of the peers asked
  readonly timer: Timer
}

/** What `Pulls` is given. */
export interface PullsOptions {
  readonly clock: Clock
  /** How long an answer is waited for. */
  readonly boundMs: number
  /** Called once for each pull; `found`: somebody had the record. */
  readonly over: (ticket: number, found: boolean) => void
}

/** Questions for a record that are under way. */
export class Pulls {
  readonly #given: PullsOptions
  readonly #open = new Map<number, Pull>()

  constructor(given: PullsOptions) {
    this.#given = given
  }

  /** A pull begins: these peers were asked. */
  open(ticket: number, words: readonly number[]): void {
    const timer = this.#given.clock.after(this.#given.boundMs, () => this.#close(ticket, false))
    this.#open.set(ticket, { waits: new Set(words), timer })
  }

  /** A peer has answered; the first record found ends the pull. */
  answered(ticket: number, word: number, found: boolean): void {
    const pull = this.#open.get(ticket)
    if (!pull?.waits.delete(word)) return
    if (found || pull.waits.size === 0) this.#close(ticket, found)
  }

  /** The peer will not answer any more. */
  gone(word: number): void {
    for (const ticket of [...this.#open.keys()]) this.answered(ticket, word, false)
  }

  /** Forgets all pulls; none of them is told. */
  close(): void {
    for (const { timer } of this.#open.values()) timer.cancel()
    this.#open.clear()
  }

  #close(ticket: number, found: boolean): void {
    this.#open.get(ticket)?.timer.cancel()
    if (this.#open.delete(ticket)) this.#given.over(ticket, found)
  }
}
