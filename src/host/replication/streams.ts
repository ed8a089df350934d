// How far both directions of TCP connections have come: a RST is believed of who knows that.  It is
// known of the record's handle when its flows are gone, too: who was silent for a minute may still
// say that it is over.  A stamp tells one connection from the next in its place.

import { isNear, nextOf, sequenceOf } from '../../flow/tcp-stream.ts'
import * as tcp from '../../wire/tcp.ts'

/** A stretch of a TCP stream. */
export interface Bytes {
  readonly view: DataView
  /** Sequence number of the first byte. */
  readonly at: number
  /** Sequence number behind the last. */
  readonly end: number
}

/** How far both directions of TCP connections have come. */
export class Streams {
  readonly #size: number
  #next: Uint32Array | null = null // there since the first connection
  #stamps: Int32Array | null = null
  #sequence = -1 // of the RST that is walked
  #isDoubtful = false // it is a RST that anybody may have sent
  /** Behind the packet that is walked; 0: it does not say. */
  next = 0

  /** `capacity`: of the table of records. */
  constructor(capacity: number) {
    this.#size = 2 * (capacity + 1)
  }

  /** A packet comes up.  Whether it is a RST, which is doubted until somebody knows better. */
  arrives(flags: number, { view, at, end }: Bytes): boolean {
    const isReset = (flags & tcp.Flag.rst) !== 0
    this.next = isReset || flags === 0 ? 0 : nextOf(view, at, end)
    this.#isDoubtful = isReset
    if (isReset) this.#sequence = sequenceOf(view, at, end)
    return isReset
  }

  /** Its flow had come so far. */
  judge(next: number): void {
    this.#isDoubtful = !isNear(this.#sequence, next)
  }

  /** Whether the packet is a RST of who does not know how far its direction had come. */
  doubts(handle: number, stamp: number): boolean {
    return this.#isDoubtful && !isNear(this.#sequence, this.#nextOf(handle, stamp))
  }

  /** `next`: behind the furthest byte sent; 0: not known. */
  note(handle: number, stamp: number, next: number): void {
    if (next === 0 || handle >= this.#size) return
    this.#next ??= new Uint32Array(this.#size)
    this.#stamps ??= new Int32Array(this.#size)
    this.#next[handle] = next
    this.#stamps[handle] = stamp
  }

  #nextOf(handle: number, stamp: number): number {
    return this.#stamps?.[handle] === (stamp | 0) ? this.#next![handle]! : 0
  }
}
