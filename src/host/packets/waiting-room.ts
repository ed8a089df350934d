// The waiting room: packets whose walk lacks a device or a neighbour.  Bounded in number, in bytes,
// in packets per cause, and in time; whoever does not get in, is displaced, or waits too long, is a
// counted drop.  A full room takes the newcomer and puts out the oldest of whoever has most in it:
// a port that asks for a thousand absent neighbours only displaces itself.

import { less } from '../../core/assert.ts'
import type { Counter, Counters } from '../../core/counters.ts'

/** A packet that was taken out of its burst, to be walked later. */
export interface WaitingPacket {
  /** Its bytes, a copy. */
  readonly frame: Uint8Array
  /** Its key, a copy. */
  readonly key: Int32Array
  /** The interface it came in by; 0 for a generated frame. */
  readonly ifindex: number
  /** Why it came up: Reason of datapath.ts. */
  readonly reason: number
  /** Bytes of a segment; 0: it is no GSO frame. */
  readonly gsoSize: number
  /** For a generated frame: the port it leaves by; '' otherwise. */
  readonly port: string
  /** When it has waited too long, on Clock.now()'s scale; 0: it has not waited yet. */
  deadline: number
  /** Other hosts were asked for its state. */
  pulled?: boolean
  /** Its first fragment was waited for, and did not come. */
  isLate?: boolean
}

// Who sent it: an interface, or a port for what a device has made.
type Origin = number | string

interface WaitingEntry {
  readonly waiting: WaitingPacket
  readonly cause: string
  readonly origin: Origin
}

interface SenderQuota {
  readonly entries: Set<WaitingEntry> // the oldest first
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

/** Packets that wait for something their walk lacks, by what that is. */
export class WaitingRoom {
  readonly #bounds: Bounds
  readonly #causes = new Map<string, Set<WaitingEntry>>()
  readonly #quotas = new Map<Origin, SenderQuota>()
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

  /** Packets in it. */
  get size(): number {
    return this.#count
  }

  /**
   * A packet that comes back keeps the deadline of its first wait, unless this room's is sooner.
   */
  add(cause: string, waiting: WaitingPacket, now: number): void {
    const { countMax, bytesMax, perCauseMax, waitMsMax } = this.#bounds
    const latest = now + waitMsMax
    waiting.deadline = waiting.deadline === 0 ? latest : Math.min(waiting.deadline, latest)
    const origin = waiting.port === '' ? waiting.ifindex : waiting.port
    const known = this.#quotas.get(origin)
    if ((known?.byCause.get(cause) ?? 0) >= perCauseMax) {
      this.#full.value++
      return
    }
    this.#enter({ waiting, cause, origin })
    while (this.#count > countMax || this.#bytes > bytesMax) this.#displace()
  }

  /** Those who waited for this, in the order they came. */
  wake(cause: string): readonly WaitingPacket[] {
    const entries = this.#causes.get(cause)
    if (entries === undefined) return []
    const woken = [...entries]
    for (const entry of woken) this.#leave(entry)
    return woken.map(({ waiting }) => waiting)
  }

  /**
   * `last` is given those that have waited too long, which are lost without. Gives the next
   * deadline; Infinity: nobody waits.
   */
  expire(now: number, last?: (waiting: WaitingPacket, cause: string) => void): number {
    let next = Infinity
    for (const entries of [...this.#causes.values()])
      for (const entry of [...entries]) {
        const { waiting, cause } = entry
        if (waiting.deadline > now) next = Math.min(next, waiting.deadline)
        else {
          this.#leave(entry)
          if (last === undefined) this.#expired.value++
          else last(waiting, cause)
        }
      }
    return next
  }

  #displace(): void {
    let most: SenderQuota | undefined
    for (const quota of this.#quotas.values())
      if (most === undefined || this.#weight(quota) > this.#weight(most)) most = quota
    this.#leave(most!.entries.values().next().value!)
    this.#full.value++
  }

  #enter(entry: WaitingEntry): void {
    const { cause, origin, waiting } = entry
    let entries = this.#causes.get(cause)
    if (entries === undefined) this.#causes.set(cause, (entries = new Set()))
    entries.add(entry)
    let quota = this.#quotas.get(origin)
    if (quota === undefined)
      this.#quotas.set(origin, (quota = { entries: new Set(), byCause: new Map(), bytes: 0 }))
    quota.entries.add(entry)
    quota.byCause.set(cause, (quota.byCause.get(cause) ?? 0) + 1)
    quota.bytes += waiting.frame.length
    this.#bytes += waiting.frame.length
    this.#count++
  }

  #leave(entry: WaitingEntry): void {
    const { cause, origin, waiting } = entry
    const entries = this.#causes.get(cause)!
    entries.delete(entry)
    if (entries.size === 0) this.#causes.delete(cause)
    const quota = this.#quotas.get(origin)!
    quota.entries.delete(entry)
    if (quota.entries.size === 0) this.#quotas.delete(origin)
    const rest = less(quota.byCause.get(cause) ?? 0, 1, 'packets that wait for one cause')
    if (rest === 0) quota.byCause.delete(cause)
    else quota.byCause.set(cause, rest)
    const { length } = waiting.frame
    quota.bytes = less(quota.bytes, length, 'bytes that wait for a sender')
    this.#bytes = less(this.#bytes, length, 'bytes that wait')
    this.#count = less(this.#count, 1, 'packets that wait')
  }

  // The share of the room a sender's packets take, by whichever of the two limits it is nearer to.
  #weight({ entries, bytes }: SenderQuota): number {
    return Math.max(entries.size / this.#bounds.countMax, bytes / this.#bounds.bytesMax)
  }
}
