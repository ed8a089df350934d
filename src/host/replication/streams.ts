// How far both directions of TCP connections have come: a RST is believed of who knows that.  It is
// known of the record's handle when its flows are gone, too: who was silent for a minute may still
// say that it is over.  A stamp tells one connection from the next in its place.

import { isNear, nextOf, sequenceOf } from '../../flow/tcp-stream.ts'
import * as tcp from '../../wire/tcp.ts'

/** Where a frame lies that carries TCP. */
export interface Bytes {
  readonly view: DataView
  /** Offset of the frame's first byte in `view`. */
  readonly at: number
  /** Offset behind its last byte. */
  readonly end: number
}

/**
 * How far both directions of TCP connections have come, by record: what a RST has to be near to.
 */
export class Streams {
  readonly #size: number
  #next: Uint32Array | null = null // there since the first connection
  #stamps: Int32Array | null = null
  #sequence = -1 // of the RST that is walked
  #isDoubtful = false // it is a RST that anybody may have sent
  /** Sequence number behind the packet that is walked; 0: it carries none that counts. */
  next = 0

  /** `capacity`: of the table of records. */
  constructor(capacity: number) {
    this.#size = 2 * (capacity + 1)
  }

  /**
   * A packet with these TCP flags comes up. True for a RST, which is doubted until `judge` or
   * `doubts` finds it near to what was sent.
   */
  arrives(flags: number, { view, at, end }: Bytes): boolean {
    const isReset = (flags & tcp.Flag.rst) !== 0
    this.next = isReset || flags === 0 ? 0 : nextOf(view, at, end)
    this.#isDoubtful = isReset
    if (isReset) this.#sequence = sequenceOf(view, at, end)
    return isReset
  }

  /**
   * The flow of the RST that arrived last had come to this sequence number: near to it, it is
   * believed.
   */
  judge(next: number): void {
    this.#isDoubtful = !isNear(this.#sequence, next)
  }

  /**
   * Whether the packet is a RST whose sender does not know how far this record's direction had
   * come.
   */
  doubts(handle: number, stamp: number): boolean {
    return this.#isDoubtful && !isNear(this.#sequence, this.#nextOf(handle, stamp))
  }

  /**
   * Notes how far a direction has come. `next`: sequence number behind the furthest byte sent; 0:
   * not known.
   */
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
