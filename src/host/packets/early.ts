// Fragments that come before the first of their packet, or overtake it while it waits itself: it
// alone says what connection they are of, and whoever was asked could only guess.  So their walk
// ends where that is asked, before a guess has anybody look for a neighbour, and they wait here
// until it has passed (RFC 4787 REQ-14), within bounds and for a short time; then they go on
// without.

import type { Clock, Timer } from '../../core/clock.ts'
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
const PAUSE_MS = 5 // between two looks for those that have waited long enough

/** Fragments that wait for the first of their packet. */
export class EarlyFragments {
  readonly #room: WaitingRoom
  readonly #again: (waiting: WaitingPacket) => void
  readonly #clock: Clock
  readonly #delayed = new Set<string>() // packets whose first fragment waits itself
  #timer: Timer | null = null
  #lookMs = Infinity // when it is to fire
  /** Of which packet the one walked last is a fragment; '': of none, or its walk did not ask. */
  packet = ''

  /** `again`: what is to be walked once more, with its first fragment or without. */
  constructor(counters: Counters, clock: Clock, again: (waiting: WaitingPacket) => void) {
    this.#again = again
    this.#clock = clock
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
    if (waiting.deadline < this.#lookMs) this.#arm(waiting.deadline)
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

  /** Nobody goes on any more. */
  close(): void {
    this.#timer?.cancel()
  }

  #arm(lookMs: number): void {
    this.#timer?.cancel()
    this.#lookMs = lookMs
    const now = this.#clock.now()
    this.#timer = lookMs === Infinity ? null : this.#clock.after(lookMs - now, () => this.#look())
  }

  // Those that have waited long enough go on without; what they waited for is lost.  Each at its
  // own time: what they have routers ask then must not depend on when this agent ticks.
  #look(): void {
    const now = this.#clock.now()
    const next = this.#room.expire(now, (waiting, packet) => {
      this.#delayed.delete(packet)
      this.#again({ ...waiting, deadline: 0, isLate: true })
    })
    this.#arm(Math.max(next, now + PAUSE_MS)) // Infinity stays so
  }
}
