// Tickets of flushes: released when every message they wait for is done, or at the bound.
// test/state/memory-exchange.test.ts holds it.

import { invariant } from '../../core/assert.ts'
import type { Clock, Timer } from '../../core/clock.ts'

const TICKET_MAX = 0x7fff_ffff

interface Ticket {
  readonly waits: Map<number, number> // messages to wait for, by the peer's word
  readonly timer: Timer
}

/** What `Tickets` is given. */
export interface TicketsOptions {
  readonly clock: Clock
  /** How long an acknowledgement is waited for. */
  readonly boundMs: number
  /** Called once for each ticket. */
  readonly released: (ticket: number) => void
  /** These peers had not acknowledged when the bound passed. */
  readonly late: (words: readonly number[]) => void
}

/** What packets are held for: messages that have to be acknowledged, by ticket. */
export class Tickets {
  readonly #given: TicketsOptions
  readonly #open = new Map<number, Ticket>()
  #last = 0

  constructor(given: TicketsOptions) {
    this.#given = given
  }

  /** A number that no ticket has; pulls have one of these, too. */
  next(): number {
    this.#last = this.#last >= TICKET_MAX ? 1 : this.#last + 1
    return this.#last
  }

  /** A ticket that waits for so many messages to each of these peers. */
  open(waits: Map<number, number>): number {
    const { clock, boundMs } = this.#given
    const ticket = this.next()
    invariant(!this.#open.has(ticket), 'a ticket is of one flush')
    const timer = clock.after(boundMs, () => {
      this.#open.delete(ticket)
      this.#given.late([...waits.keys()])
      this.#given.released(ticket)
    })
    this.#open.set(ticket, { waits, timer })
    return ticket
  }

  /** A message to this peer is acknowledged or given up. */
  done(ticket: number, word: number): void {
    const open = this.#open.get(ticket)
    const left = open?.waits.get(word)
    if (open === undefined || left === undefined) return
    if (left > 1) open.waits.set(word, left - 1)
    else open.waits.delete(word)
    if (open.waits.size > 0) return
    open.timer.cancel()
    this.#open.delete(ticket)
    this.#given.released(ticket)
  }

  /** Forgets all tickets; none of them is released. */
  close(): void {
    for (const { timer } of this.#open.values()) timer.cancel()
    this.#open.clear()
  }
}
