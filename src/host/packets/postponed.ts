// Packets whose walk could not end: what each waits for, until that is there and it is walked
// again. Most wait in the waiting room; fragments wait for their first; what has to be walked again
// at once only waits for its turn. waiting-room.test.ts and early.test.ts hold the rooms,
// test/oracle/cache.test.ts the way back.

import type { Clock } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import { WAIT_FOR_FIRST, WAIT_FOR_PULL } from '../../simulation/waits.ts'
import { WALK_AGAIN } from '../waits.ts'
import { EarlyFragments } from './early.ts'
import { type WaitingPacket, WaitingRoom } from './waiting-room.ts'

/** Packets that are to be walked again, now or when what they lack is there. */
export class PostponedPackets {
  /** Fragments that wait for their first. */
  readonly early: EarlyFragments
  readonly #room: WaitingRoom
  readonly #woken: WaitingPacket[] = []
  readonly #schedule: () => void

  /** `schedule`: there is something to be walked. */
  constructor(counters: Counters, clock: Clock, schedule: () => void) {
    this.#schedule = schedule
    this.#room = new WaitingRoom(counters)
    this.early = new EarlyFragments(counters, clock, packet => this.#wakes([packet]))
  }

  /** Packets that wait for something that is not there. */
  get size(): number {
    return this.#room.size
  }

  /** Packets that wait for their turn. */
  get woken(): number {
    return this.#woken.length
  }

  /** The packet just walked lacks `ctx.outcome.waitingFor`. */
  add(waiting: WaitingPacket, ctx: SimulationContext): void {
    const { now } = ctx
    const { waitingFor } = ctx.outcome
    if (waitingFor === WAIT_FOR_FIRST) return this.early.add(waiting, now)
    this.early.delay(ctx)
    if (waitingFor.startsWith(WAIT_FOR_PULL)) waiting.pulled = true
    if (waitingFor === WALK_AGAIN || waitingFor === WAIT_FOR_PULL) this.again(waiting)
    else this.#room.add(waitingFor, waiting, now)
  }

  /** This packet is walked again, in the turn that is under way or asked for. */
  again(waiting: WaitingPacket): void {
    this.#woken.push(waiting)
  }

  /** What packets waited for is there. */
  wake(cause: string): void {
    this.#wakes(this.#room.wake(cause))
  }

  /** Takes out what is to be walked again, `max` at most, in the order it was woken. */
  take(max: number): WaitingPacket[] {
    return this.#woken.splice(0, max)
  }

  /** Drops what has waited too long; fragments see to themselves. */
  expire(now: number): void {
    this.#room.expire(now)
  }

  #wakes(packets: readonly WaitingPacket[]): void {
    this.#woken.push(...packets)
    if (this.#woken.length > 0) this.#schedule()
  }
}
