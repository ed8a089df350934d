// Long work gives way: after a few milliseconds `breathe` lets the event loop have a turn.  Under
// a virtual clock time stands still meanwhile, so work there runs through, in one order.

import type { Clock } from './clock.ts'

const STRETCH_MS = 4

/** Keeps long work from blocking the event loop: it rests after each stretch. */
export class Pace {
  readonly #clock: Clock
  #since: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#since = clock.now()
  }

  /** Await it now and then: it lets others run when the stretch is over. */
  async breathe(): Promise<void> {
    if (this.#clock.now() - this.#since < STRETCH_MS) return
    await new Promise<void>(turn => this.#clock.soon(turn))
    this.#since = this.#clock.now()
  }
}
