// Packet-outs on their way: frames of a burst (by reference) and frames of our own making (copied),
// each with its actions, in order, until `flush` sends them in one call.
// test/lab/datapath-conformance.test.ts holds it.

import { ACTION_WORDS, type ActionList } from '../../flow/actions.ts'

const JOB_WORDS = 6
const JOBS_MAX = 1024
const OWN_BYTES = 1 << 20

/** Frames that are to be sent, each with its actions, in order. */
export class OutQueue {
  /** Six words for each frame: where it is and which actions it has. */
  readonly jobs = new Uint32Array(JOBS_MAX * JOB_WORDS)
  /** Frames of our own making, one behind the other. */
  readonly own = new Uint8Array(OWN_BYTES)
  /** The actions of all frames. */
  actions = new Int32Array(1024 * ACTION_WORDS)
  /** Frames in it. */
  count = 0
  #actionsUsed = 0
  #ownUsed = 0

  /** Empties it and keeps its memory. */
  clear(): void {
    this.count = 0
    this.#actionsUsed = 0
    this.#ownUsed = 0
  }

  /** Whether it takes no further frame. */
  get full(): boolean {
    return this.count === JOBS_MAX
  }

  /** Whether it takes a frame of our own of so many bytes. */
  hasRoom(bytes: number): boolean {
    return !this.full && this.#ownUsed + bytes <= OWN_BYTES
  }

  /** Adds a frame of the burst, which stays where it is. */
  addShared(offset: number, length: number, gsoSize: number, actions: ActionList): void {
    this.#add(0, offset, length, gsoSize, actions)
  }

  /** Adds a copy of a frame. */
  addOwn(frame: Uint8Array, gsoSize: number, actions: ActionList): void {
    this.own.set(frame, this.#ownUsed)
    this.#add(1, this.#ownUsed, frame.length, gsoSize, actions)
    this.#ownUsed += frame.length
  }

  #add(own: number, offset: number, length: number, gsoSize: number, actions: ActionList): void {
    const o = this.count++ * JOB_WORDS
    this.jobs[o] = own
    this.jobs[o + 1] = offset
    this.jobs[o + 2] = length
    this.jobs[o + 3] = gsoSize
    this.jobs[o + 4] = this.#actionsUsed
    this.jobs[o + 5] = actions.count
    this.#copy(actions)
  }

  #copy(actions: ActionList): void {
    const words = actions.count * ACTION_WORDS
    const at = this.#actionsUsed * ACTION_WORDS
    if (at + words > this.actions.length) this.#grow(at + words)
    for (let i = 0; i < words; i++) this.actions[at + i] = actions.words[i]!
    this.#actionsUsed += actions.count
  }

  #grow(words: number): void {
    const wider = new Int32Array(Math.max(words, this.actions.length * 2))
    wider.set(this.actions)
    this.actions = wider
  }
}
