// How packets leave that other hosts must know of first: they are held under the exchange's ticket,
// and so is their flow; when it is released, the flow goes into the datapath and they go out.

import type { Clock } from '../core/clock.ts'
import type { Counters } from '../core/counters.ts'
import type { Datapath } from '../datapath/datapath.ts'
import type { ActionList } from '../flow/actions.ts'
import type { FlowBook } from './book.ts'
import { type HeldPacket, Holding } from './holding.ts'
import { ownCopy } from './parked.ts'
import type { Parked } from './waiting.ts'

interface Parts {
  readonly datapath: Datapath
  readonly clock: Clock
  readonly counters: Counters
}

export class Departures {
  readonly #datapath: Datapath
  readonly #book: FlowBook
  readonly #again: (packet: Parked) => void
  readonly #holding: Holding

  // `again`: what has to be walked once more, because its flow went while it was held.
  constructor({ datapath, clock, counters }: Parts, book: FlowBook, again: (p: Parked) => void) {
    this.#datapath = datapath
    this.#book = book
    this.#again = again
    this.#holding = new Holding(counters, clock)
  }

  /** Packets on hold. */
  get size(): number {
    return this.#holding.size
  }

  /** `id` is that of its flow, 0 for what is not kept. */
  hold(parked: Parked, id: number, actions: ActionList): void {
    this.#holding.hold({ parked, actions, id, flow: this.#book.get(id) })
  }

  /** The burst is over: its packets wait for the ticket, or for nothing. */
  close(ticket: number): void {
    for (const packet of this.#holding.close(ticket)) this.#release(packet)
  }

  released(ticket: number): void {
    for (const packet of this.#holding.released(ticket)) this.#release(packet)
  }

  // A flow that has gone while its packet waited was made stale.
  #release({ parked, actions, id, flow }: HeldPacket): void {
    if (id !== 0 && this.#book.get(id) !== flow) return this.#again(ownCopy(parked))
    this.#book.release(id)
    if (actions.count > 0) this.#datapath.inject(parked.frame, actions, parked.gsoSize)
  }
}
