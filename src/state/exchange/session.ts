// One peer's session: which epochs hold between us and it, and which of its messages were seen.
// A session is a pair of epochs, both made for it, so that nothing said in one can be played again
// in another (docs/flow-state.md, "Sessions"). test/state/session.test.ts holds it.

import type { Random } from '../../core/random.ts'
import type { Header } from './message.ts'
import { MessageType } from './message.ts'

/** How far a message may be behind the newest and still be taken (as RFC 4303 §3.4.3). */
export const REPLAY_WINDOW = 4096

/**
 * What a message with a good tag is to a session: of it, its first, of an earlier one, a
 * repetition, or a hello.
 */
export type Judgement = 'member' | 'begins' | 'stale-epoch' | 'replayed' | 'greeting'

/** The epochs that a hello is sent with. */
export interface Greeting {
  /** Epoch of whoever greets. */
  readonly own: bigint
  /** Epoch of whoever is greeted; 0: not known. */
  readonly theirs: bigint
}

/** The two epochs that hold between us and a peer. */
export class Session {
  /** Our epoch; 0: none yet. */
  own = 0n
  /** The peer's epoch; 0: there is no session. */
  theirs = 0n
  /** Our epoch of the next session. */
  fresh: bigint
  readonly #random: Random
  readonly #seen = new ReplayWindow()
  #sequence = 0

  constructor(random: Random) {
    this.#random = random
    this.fresh = newEpoch(random)
  }

  /** Whether both sides have said their epochs. */
  get isUp(): boolean {
    return this.theirs !== 0n
  }

  /** Sequence of the next message to the peer; it goes on from session to session. */
  nextSequence(): number {
    return ++this.#sequence
  }

  /** Takes note of the message when it is a member or begins a session. */
  judge({ type, own, theirs, sequence }: Header): Judgement {
    if (this.isUp && own === this.theirs && theirs === this.own)
      return this.#seen.take(sequence) ? 'member' : 'replayed'
    if (own !== 0n && theirs === this.fresh) {
      this.own = this.fresh
      this.theirs = own
      this.fresh = newEpoch(this.#random)
      this.#seen.begin(sequence)
      return 'begins'
    }
    return type === MessageType.hello && theirs === 0n ? 'greeting' : 'stale-epoch'
  }

  /** There is no session from now on. */
  end(): void {
    this.own = 0n
    this.theirs = 0n
  }

  /** What a hello says to a peer with which there is no session. */
  get greeting(): Greeting {
    return { own: this.fresh, theirs: 0n }
  }

  /** The answer to a message that is no part of a session; undefined for none. */
  answer({ type, own, theirs }: Header): Greeting | undefined {
    const present = { own: this.own, theirs: this.theirs }
    if (type !== MessageType.hello) return this.isUp ? present : this.greeting
    if (theirs !== 0n) return undefined // it answers something old
    return this.isUp && own === this.theirs ? present : { own: this.fresh, theirs: own }
  }
}

/** Which of the last sequences came already: a ring of bits behind the highest. */
class ReplayWindow {
  readonly #bits = new Uint32Array(REPLAY_WINDOW / 32)
  #highest = 0

  /** Forgets what it saw; this one has come. */
  begin(sequence: number): void {
    this.#bits.fill(0)
    this.#highest = sequence
    this.#mark(sequence)
  }

  /** False when it came before, or is too old to know. */
  take(sequence: number): boolean {
    if (sequence > this.#highest) this.#moveTo(sequence)
    else if (this.#highest - sequence >= REPLAY_WINDOW || this.#isMarked(sequence)) return false
    this.#mark(sequence)
    return true
  }

  #moveTo(sequence: number): void {
    if (sequence - this.#highest >= REPLAY_WINDOW) this.#bits.fill(0)
    else for (let i = this.#highest + 1; i < sequence; i++) this.#clear(i)
    this.#clear(sequence)
    this.#highest = sequence
  }

  #mark(sequence: number): void {
    const bit = sequence % REPLAY_WINDOW
    this.#bits[bit >>> 5]! |= 1 << (bit & 31)
  }

  #clear(sequence: number): void {
    const bit = sequence % REPLAY_WINDOW
    this.#bits[bit >>> 5]! &= ~(1 << (bit & 31))
  }

  #isMarked(sequence: number): boolean {
    const bit = sequence % REPLAY_WINDOW
    return (this.#bits[bit >>> 5]! & (1 << (bit & 31))) !== 0
  }
}

const SERIALS = 64

/** Which asks and tells of a session were delivered. */
export class Serials {
  readonly #seen = new Set<number>()
  #highest = 0

  /** As new: nothing has been seen. */
  forget(): void {
    this.#seen.clear()
    this.#highest = 0
  }

  /** Notes a sequence; false when it was seen before, or is too old to know. */
  take(serial: number): boolean {
    if (serial <= this.#highest - SERIALS || this.#seen.has(serial)) return false
    this.#seen.add(serial)
    if (serial <= this.#highest) return true
    this.#highest = serial
    for (const old of this.#seen) if (old <= serial - SERIALS) this.#seen.delete(old)
    return true
  }
}

function newEpoch(random: Random): bigint {
  const epoch = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32())
  return epoch === 0n ? 1n : epoch
}
