// Packets held until every host that may see the return traffic has acknowledged the flow's state.
// Those of one burst wait together, under the ticket the exchange gave; later packets of a held
// flow wait behind them, so that none overtakes its state, and later fragments of a held packet, so
// that they keep their order. Bounded in packets and bytes; held-packets.ts lets them leave.

import { invariant, less } from '../../core/assert.ts'
import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters, Histogram } from '../../core/counters.ts'
import type { ActionList } from '../../flow/actions.ts'
import type { Flow } from '../flows/flow-cache.ts'
import type { WaitingPacket } from './waiting-room.ts'

/** A packet that is ready to leave and must not yet. */
export interface HeldPacket {
  /** The packet, a copy that outlives its burst. */
  readonly waiting: WaitingPacket
  /** Physical actions, done when it is released. */
  readonly actions: ActionList
  /** Of its flow; 0 for what is not kept. */
  readonly id: number
  readonly flow: Flow | undefined
  /** Of which packet it is a fragment; '': of none. */
  readonly group: string
}

const HOLD_US = [50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000, 5000, 20_000, 100_000, 250_000]
const HELD_MAX = 16_384
const BYTES_MAX = 32 << 20

/** Packets held until every host that may see the return traffic has acknowledged the state. */
export class HoldQueue {
  #open: HeldPacket[] = []
  readonly #groups = new Map<string, HeldPacket[]>()
  readonly #byTicket = new Map<number, { packets: HeldPacket[]; sinceMs: number }>()
  readonly #full: Counter
  readonly #held: Counter
  readonly #holdUs: Histogram
  readonly #clock: Clock
  #count = 0
  #bytes = 0

  constructor(counters: Counters, clock: Clock) {
    this.#clock = clock
    this.#holdUs = counters.histogram('state.hold-us', HOLD_US, 'Time bursts were held, us')
    this.#held = counters.claim('state.held', 'Packets that waited for other hosts to have state')
    this.#full = counters.claim('drop.state.hold-full', 'Packets there was no room to hold')
    counters.gauge('state.held-now', () => this.#count, 'Packets that wait for acknowledgements')
  }

  /** Packets in it. */
  get size(): number {
    return this.#count
  }

  /** Whether fragments of a packet wait, so that others must not overtake them. */
  holds(group: string): boolean {
    return this.#groups.has(group)
  }

  /** Joins the packets of its flow that wait already, or those of this burst. */
  hold(packet: HeldPacket): void {
    if (!this.#takes(packet)) return
    const { flow, group } = packet
    const waiting = flow?.waiting ?? this.#open
    waiting.push(packet)
    if (flow !== undefined) flow.waiting = waiting
    if (group !== '') this.#groups.set(group, waiting)
  }

  /** Joins the fragments of its packet that wait. */
  follow(packet: HeldPacket): void {
    if (this.#takes(packet)) this.#groups.get(packet.group)!.push(packet)
  }

  #takes({ waiting }: HeldPacket): boolean {
    const { length } = waiting.frame
    if (this.#count >= HELD_MAX || this.#bytes + length > BYTES_MAX) {
      this.#full.value++
      return false
    }
    this.#held.value++
    this.#count++
    this.#bytes += length
    return true
  }

  /** The burst is over.  Gives what need not wait: all of it, when the ticket is 0. */
  close(ticket: number): readonly HeldPacket[] {
    if (this.#open.length === 0) return this.#open
    const packets = this.#open
    this.#open = []
    if (ticket === 0) return this.#leave(packets)
    invariant(!this.#byTicket.has(ticket), 'a ticket holds one burst')
    this.#byTicket.set(ticket, { packets, sinceMs: this.#clock.now() })
    return []
  }

  /** Gives the packets of this ticket, in order; none for a ticket that is not known. */
  released(ticket: number): readonly HeldPacket[] {
    const held = this.#byTicket.get(ticket)
    if (held === undefined) return []
    this.#byTicket.delete(ticket)
    this.#holdUs.observe((this.#clock.now() - held.sinceMs) * 1000)
    return this.#leave(held.packets)
  }

  #leave(packets: HeldPacket[]): readonly HeldPacket[] {
    for (const { flow, waiting, group } of packets) {
      if (flow?.waiting === packets) flow.waiting = null
      if (this.#groups.get(group) === packets) this.#groups.delete(group)
      this.#bytes = less(this.#bytes, waiting.frame.length, 'bytes held')
    }
    this.#count = less(this.#count, packets.length, 'packets held')
    return packets
  }
}
