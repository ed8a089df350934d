// Fragments that come before the first of their packet, or overtake it while it waits itself: it
// alone says what connection they are of, and whoever was asked could only guess.  So their walk
// ends where that is asked, before a guess has anybody look for a neighbour, and they wait here
// until it has passed (RFC 4787 REQ-14), within bounds and for a short time; then they go on
// without.

import type { Counters } from '../../core/counters.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import { WAIT_FOR_FIRST } from '../../simulation/waits.ts'
import { type WaitingPacket, WaitingRoom } from './waiting-room.ts'

const BOUNDS = {
  ...{ name: 'fragments', what: 'Fragments that wait for the first of their packet' },
  ...{ countMax: 1024, bytesMax: 2 << 20 },
  perCauseMax: 128, // the largest packet, cut for the smallest MTU in use, 576, has 119
  waitMsMax: 2000
}
const DELAYED_MAX = 1024 // the rest is not waited for

/** Fragments that wait for the first of their packet. */
export class EarlyFragments {
  readonly #room: WaitingRoom
  readonly #again: (waiting: WaitingPacket) => void
  readonly #delayed = new Set<string>() // packets whose first fragment waits itself
  /** Of which packet the one walked last is a fragment; '': of none, or its walk did not ask. */
  packet = ''

  /** `again`: what is to be walked once more, with its first fragment or without. */
  constructor(counters: Counters, again: (waiting: WaitingPacket) => void) {
    this.#again = again
    this.#room = new WaitingRoom(counters, BOUNDS)
  }

  /** Whether the packet just walked has to wait for its first fragment. */
  lacks(ctx: SimulationContext): boolean {
    const { packet, isFirst, isLacking, isLate } = ctx.fragments
    this.packet = packet
    const isBehind = !isFirst && !isLate && this.#delayed.has(packet)
    if (!isLacking && !isBehind) return false
    ctx.outcome.waitingFor = WAIT_FOR_FIRST
    ctx.outcome.emitted.length = 0 // it is answered when it goes on
    return true
  }

  /** The packet just walked waits from now on. */
  add(waiting: WaitingPacket, now: number): void {
    this.#room.add(this.packet, waiting, now)
  }

  /** The packet just walked has to wait for something else. */
  delay(ctx: SimulationContext): void {
    if (ctx.fragments.isFirst && this.#delayed.size < DELAYED_MAX) this.#delayed.add(this.packet)
  }

  /** The packet just walked could go on: fragments that waited for it may follow. */
  passed(ctx: SimulationContext): void {
    if (!ctx.fragments.isFirst) return
    this.#delayed.delete(this.packet)
    for (const waiting of this.#room.wake(this.packet)) this.#again({ ...waiting, deadline: 0 })
  }

  /** Those that have waited long enough go on without; what they waited for is lost. */
  expire(now: number): void {
    this.#room.expire(now, (waiting, packet) => {
      this.#delayed.delete(packet)
      this.#again({ ...waiting, deadline: 0, isLate: true })
    })
  }
}
