// The packet that an ICMP error quotes, as it arrived and as devices have left it.  Read from the
// bytes when somebody asks; a later fragment is what its first one said.
// nat/timeouts.test.ts holds it.

import { newQuoted, type Quoted, readQuoted } from '../wire/quoted.ts'
import type { SimulationContext } from './context.ts'

/** The packet that an ICMP error quotes, read when it is first asked for. */
export class Quotation {
  readonly #current = newQuoted()
  readonly #arrived = newQuoted()
  #isRead = false
  #isThere = false
  /** A device has translated it. */
  isChanged = false

  /** Forgets the packet before. */
  begin(): void {
    this.#isRead = this.#isThere = this.isChanged = false
  }

  /** Somebody has read it: what the packet met is of what it quotes. */
  get isMet(): boolean {
    return this.#isThere
  }

  /** The quoted packet as devices have left it; null: nothing is quoted. */
  current(ctx: SimulationContext): Quoted | null {
    return this.#isThereIn(ctx) ? this.#current : null
  }

  /** The quoted packet as it came; null: nothing is quoted. */
  arrived(ctx: SimulationContext): Quoted | null {
    return this.#isThereIn(ctx) ? this.#arrived : null
  }

  #isThereIn(ctx: SimulationContext): boolean {
    if (this.#isRead) return this.#isThere
    this.#isRead = true
    const raw = ctx.bytes()
    const quotes = [this.#current, this.#arrived]
    this.#isThere =
      raw !== undefined && quotes.every(quote => readQuoted(raw.view, raw.at, raw.end, quote))
    if (this.#isThere)
      for (const quote of quotes) ctx.fragments.adoptQuoted(ctx.entryPort?.device, quote, ctx.now)
    return this.#isThere
  }
}
