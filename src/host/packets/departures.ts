// How packets leave that other hosts must know of first: they are held under the exchange's ticket,
// and so is their flow; when it is released, the flow goes into the datapath and they go out.

import type { Clock } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import { ActionCache } from '../../flow/action-cache.ts'
import type { ActionList } from '../../flow/actions.ts'
import { type Quoted, rewriteQuoted } from '../../wire/quoted.ts'
import type { FlowBook } from '../flows/book.ts'
import { type HeldPacket, Holding } from './holding.ts'
import { type Part, pieces } from './oversize.ts'
import { ownCopy } from './parked.ts'
import type { Parked } from './waiting.ts'

interface Parts {
  readonly datapath: Datapath
  readonly clock: Clock
  readonly counters: Counters
}

export interface Departing {
  readonly parked: Parked
  readonly actions: ActionList
  readonly quote: Quoted | null // in place of the one in its bytes
  readonly hold: number | null // null: leaves at once; else its flow, 0 for what is not kept
  readonly group: string // of which packet it is a fragment; '': of none
}

export class Departures {
  readonly #datapath: Datapath
  readonly #book: FlowBook
  readonly #again: (packet: Parked) => void
  readonly #holding: Holding
  readonly #kept = new ActionCache()

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

  /** `parts`: how it leaves that does not fit everywhere, in place of its actions. */
  send({ parked, actions, quote, hold, group }: Departing, parts: readonly Part[] | null): void {
    const { gsoSize } = parked
    const frame = quote === null ? parked.frame : rewriteQuoted(parked.frame, quote)
    const depart = (what: Parked, by: ActionList): void => this.#depart(what, by, hold, group)
    if (parts === null) return depart({ ...parked, frame }, actions)
    for (const { actions: some, mtu } of parts)
      if (mtu === 0) depart({ ...parked, frame }, some)
      else
        for (const piece of pieces(frame, gsoSize, mtu))
          depart({ ...parked, frame: piece, gsoSize: 0 }, some)
  }

  #depart(parked: Parked, actions: ActionList, hold: number | null, group: string): void {
    if (hold !== null) return this.hold(parked, hold, this.#kept.keep(actions), group)
    if (this.holds(group)) {
      const held = { parked, actions: this.#kept.keep(actions), id: 0, flow: undefined, group }
      this.#holding.follow(held)
    } else this.#datapath.inject(parked.frame, actions, parked.gsoSize)
  }

  /** Whether fragments of this packet wait, which others must not overtake. */
  holds(group: string): boolean {
    return group !== '' && this.#holding.holds(group)
  }

  /** `id` is that of its flow, 0 for what is not kept. */
  hold(parked: Parked, id: number, actions: ActionList, group = ''): void {
    this.#holding.hold({ parked, actions, id, flow: this.#book.get(id), group })
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
