// How packets leave that other hosts must know of first: they are held under the exchange's ticket,
// and so is their flow; when it is released, the flow goes into the datapath and they go out. What
// is held, and behind what, is the queue's (hold-queue.ts), which knows no datapath and is tested
// alone; what a packet does when it leaves is here. test/state/replication.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import { ActionCache } from '../../flow/action-cache.ts'
import type { ActionList } from '../../flow/actions.ts'
import { type Quoted, rewriteQuoted } from '../../wire/quoted.ts'
import type { FlowCache } from '../flows/flow-cache.ts'
import { type HeldPacket, HoldQueue } from './hold-queue.ts'
import { type Part, pieces } from './oversize.ts'
import { ownCopy } from './waiting-packet.ts'
import type { WaitingPacket } from './waiting-room.ts'

interface Parts {
  readonly datapath: Datapath
  readonly clock: Clock
  readonly counters: Counters
}

/** A packet that is to leave. */
export interface Outgoing {
  /** The packet, its bytes as they came in. */
  readonly waiting: WaitingPacket
  /** Physical actions. */
  readonly actions: ActionList
  /** In place of the one in its bytes. */
  readonly quote: Quoted | null
  /** null: leaves at once; else its flow, 0 for what is not kept. */
  readonly hold: number | null
  /** Of which packet it is a fragment; '': of none. */
  readonly group: string
}

/** Lets packets leave, those on hold when their ticket is released. */
export class HeldPackets {
  readonly #datapath: Datapath
  readonly #cache: FlowCache
  readonly #again: (packet: WaitingPacket) => void
  readonly #queue: HoldQueue
  readonly #kept = new ActionCache()

  // `again`: what has to be walked once more, because its flow went while it was held.
  constructor(
    { datapath, clock, counters }: Parts,
    cache: FlowCache,
    again: (p: WaitingPacket) => void
  ) {
    this.#datapath = datapath
    this.#cache = cache
    this.#again = again
    this.#queue = new HoldQueue(counters, clock)
  }

  /** Packets on hold. */
  get size(): number {
    return this.#queue.size
  }

  /** `parts`: how it leaves that does not fit everywhere, in place of its actions. */
  send({ waiting, actions, quote, hold, group }: Outgoing, parts: readonly Part[] | null): void {
    const { gsoSize } = waiting
    const frame = quote === null ? waiting.frame : rewriteQuoted(waiting.frame, quote)
    const depart = (what: WaitingPacket, by: ActionList): void =>
      this.#depart(what, by, hold, group)
    if (parts === null) return depart({ ...waiting, frame }, actions)
    for (const { actions: some, mtu } of parts)
      if (mtu === 0) depart({ ...waiting, frame }, some)
      else
        for (const piece of pieces(frame, gsoSize, mtu))
          depart({ ...waiting, frame: piece, gsoSize: 0 }, some)
  }

  #depart(waiting: WaitingPacket, actions: ActionList, hold: number | null, group: string): void {
    if (hold !== null) return this.hold(waiting, hold, this.#kept.keep(actions), group)
    if (this.holds(group)) {
      const held = { waiting, actions: this.#kept.keep(actions), id: 0, flow: undefined, group }
      this.#queue.follow(held)
    } else this.#datapath.inject(waiting.frame, actions, waiting.gsoSize)
  }

  /** Whether fragments of this packet wait, which others must not overtake. */
  holds(group: string): boolean {
    return group !== '' && this.#queue.holds(group)
  }

  /** `id` is that of its flow, 0 for what is not kept. */
  hold(waiting: WaitingPacket, id: number, actions: ActionList, group = ''): void {
    this.#queue.hold({ waiting, actions, id, flow: this.#cache.get(id), group })
  }

  /** The burst is over: its packets wait for the ticket, or for nothing. */
  close(ticket: number): void {
    for (const packet of this.#queue.close(ticket)) this.#release(packet)
  }

  /** The ticket's acknowledgements are here, or its bound has passed: its packets leave. */
  released(ticket: number): void {
    for (const packet of this.#queue.released(ticket)) this.#release(packet)
  }

  // A flow that has gone while its packet waited was made stale.
  #release({ waiting, actions, id, flow }: HeldPacket): void {
    if (id !== 0 && this.#cache.get(id) !== flow) return this.#again(ownCopy(waiting))
    this.#cache.release(id)
    if (actions.count > 0) this.#datapath.inject(waiting.frame, actions, waiting.gsoSize)
  }
}
