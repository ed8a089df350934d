// The waiting room: packets whose walk lacks a device or a neighbour.  Bounded in number, in
// packets per cause, and in time; whoever does not get in, or waits too long, is a counted drop.

import type { Counter, Counters } from '../core/counters.ts'

export interface Parked {
  readonly frame: Uint8Array
  readonly key: Int32Array
  readonly ifindex: number
  readonly reason: number
  readonly gsoSize: number
  readonly port: string // for a generated frame: the port it leaves by; '' otherwise
  deadline: number
}

const WAITING_MAX = 4096
const PER_CAUSE_MAX = 128
const WAIT_MS_MAX = 5000

export class WaitingRoom {
  readonly #causes = new Map<string, Parked[]>()
  readonly #full: Counter
  readonly #expired: Counter
  #count = 0

  constructor(counters: Counters) {
    this.#full = counters.claim('drop.waiting.full', 'Packets the waiting room had no place for')
    this.#expired = counters.claim('drop.waiting.expired', 'Packets that waited too long')
    counters.gauge('waiting.packets', () => this.#count, 'Packets in the waiting room')
  }

  get size(): number {
    return this.#count
  }

  // A packet that comes back keeps the deadline of its first wait.
  park(cause: string, parked: Parked, now: number): void {
    if (parked.deadline === 0) parked.deadline = now + WAIT_MS_MAX
    let list = this.#causes.get(cause)
    if (this.#count >= WAITING_MAX || (list !== undefined && list.length >= PER_CAUSE_MAX)) {
      this.#full.value++
      return
    }
    if (list === undefined) this.#causes.set(cause, (list = []))
    list.push(parked)
    this.#count++
  }

  // Those who waited for this, in the order they came.
  wake(cause: string): readonly Parked[] {
    const list = this.#causes.get(cause)
    if (list === undefined) return []
    this.#causes.delete(cause)
    this.#count -= list.length
    return list
  }

  expire(now: number): void {
    for (const [cause, list] of this.#causes) {
      const kept = list.filter(({ deadline }) => deadline > now)
      this.#expired.value += list.length - kept.length
      this.#count -= list.length - kept.length
      if (kept.length === 0) this.#causes.delete(cause)
      else if (kept.length < list.length) this.#causes.set(cause, kept)
    }
  }
}
