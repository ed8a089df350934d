// The waiting room: packets whose walk lacks a device or a neighbour.  Bounded in number, in bytes,
// in packets per cause, and in time; whoever does not get in, is displaced, or waits too long, is a
// counted drop.  A full room takes the newcomer and puts out the oldest of whoever has most in it:
// a port that asks for a thousand absent neighbours only displaces itself.

import { less } from '../../core/assert.ts'
import type { Counter, Counters } from '../../core/counters.ts'

export interface Parked {
  readonly frame: Uint8Array
  readonly key: Int32Array
  readonly ifindex: number
  readonly reason: number
  readonly gsoSize: number
  readonly port: string // for a generated frame: the port it leaves by; '' otherwise
  deadline: number
  pulled?: boolean // other hosts were asked for its state
  isLate?: boolean // its first fragment was waited for, and did not come
}

// Who sent it: an interface, or a port for what a device has made.
type Origin = number | string

interface Seat {
  readonly parked: Parked
  readonly cause: string
  readonly origin: Origin
}

interface Guest {
  readonly seats: Set<Seat> // the oldest first
  readonly byCause: Map<string, number>
  bytes: number
}

interface Bounds {
  readonly name: string
  readonly what: string
  readonly countMax: number
  readonly bytesMax: number
  readonly perCauseMax: number // of one origin
  readonly waitMsMax: number
}

const USUAL: Bounds = {
  ...{ name: 'packets', what: 'Packets in the waiting room', countMax: 4096 },
  bytesMax: 16 << 20, // a frame may be 64 KiB
  ...{ perCauseMax: 512, waitMsMax: 5000 }
}

export class WaitingRoom {
  readonly #bounds: Bounds
  readonly #causes = new Map<string, Set<Seat>>()
  readonly #guests = new Map<Origin, Guest>()
  readonly #full: Counter
  readonly #expired: Counter
  #count = 0
  #bytes = 0

  constructor(counters: Counters, bounds = USUAL) {
    this.#bounds = bounds
    this.#full = counters.claim('drop.waiting.full', 'Packets the waiting room had no place for')
    this.#expired = counters.claim('drop.waiting.expired', 'Packets that waited too long')
    counters.gauge(`waiting.${bounds.name}`, () => this.#count, bounds.what)
  }

  get size(): number {
    return this.#count
  }

  // A packet that comes back keeps the deadline of its first wait.
  park(cause: string, parked: Parked, now: number): void {
    const { countMax, bytesMax, perCauseMax, waitMsMax } = this.#bounds
    if (parked.deadline === 0) parked.deadline = now + waitMsMax
    const origin = parked.port === '' ? parked.ifindex : parked.port
    const known = this.#guests.get(origin)
    if ((known?.byCause.get(cause) ?? 0) >= perCauseMax) {
      this.#full.value++
      return
    }
    this.#enter({ parked, cause, origin })
    while (this.#count > countMax || this.#bytes > bytesMax) this.#displace()
  }

  // Those who waited for this, in the order they came.
  wake(cause: string): readonly Parked[] {
    const seats = this.#causes.get(cause)
    if (seats === undefined) return []
    const woken = [...seats]
    for (const seat of woken) this.#leave(seat)
    return woken.map(({ parked }) => parked)
  }

  /** `last` is given those that have waited too long, which are lost without. */
  expire(now: number, last?: (parked: Parked, cause: string) => void): void {
    for (const seats of [...this.#causes.values()])
      for (const seat of [...seats]) {
        if (seat.parked.deadline > now) continue
        this.#leave(seat)
        if (last === undefined) this.#expired.value++
        else last(seat.parked, seat.cause)
      }
  }

  #displace(): void {
    let most: Guest | undefined
    for (const guest of this.#guests.values())
      if (most === undefined || this.#weight(guest) > this.#weight(most)) most = guest
    this.#leave(most!.seats.values().next().value!)
    this.#full.value++
  }

  #enter(seat: Seat): void {
    const { cause, origin, parked } = seat
    let seats = this.#causes.get(cause)
    if (seats === undefined) this.#causes.set(cause, (seats = new Set()))
    seats.add(seat)
    let guest = this.#guests.get(origin)
    if (guest === undefined)
      this.#guests.set(origin, (guest = { seats: new Set(), byCause: new Map(), bytes: 0 }))
    guest.seats.add(seat)
    guest.byCause.set(cause, (guest.byCause.get(cause) ?? 0) + 1)
    guest.bytes += parked.frame.length
    this.#bytes += parked.frame.length
    this.#count++
  }

  #leave(seat: Seat): void {
    const { cause, origin, parked } = seat
    const seats = this.#causes.get(cause)!
    seats.delete(seat)
    if (seats.size === 0) this.#causes.delete(cause)
    const guest = this.#guests.get(origin)!
    guest.seats.delete(seat)
    if (guest.seats.size === 0) this.#guests.delete(origin)
    const rest = guest.byCause.get(cause)! - 1
    if (rest === 0) guest.byCause.delete(cause)
    else guest.byCause.set(cause, rest)
    const { length } = parked.frame
    guest.bytes = less(guest.bytes, length, 'bytes that wait for a sender')
    this.#bytes = less(this.#bytes, length, 'bytes that wait')
    this.#count = less(this.#count, 1, 'packets that wait')
  }

  // The share of the room a guest takes, by whichever of the two limits it is nearer to.
  #weight({ seats, bytes }: Guest): number {
    return Math.max(seats.size / this.#bounds.countMax, bytes / this.#bounds.bytesMax)
  }
}
