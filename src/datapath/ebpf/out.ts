// Packet-outs on their way: frames of a burst (by reference) and frames of our own making (copied),
// each with its actions, in order, until `flush` sends them in one call.

import { ACTION_WORDS, type ActionList } from '../../flow/actions.ts'

const JOB_WORDS = 6
const JOBS_MAX = 1024
const OWN_BYTES = 1 << 20

export class OutQueue {
  readonly jobs = new Uint32Array(JOBS_MAX * JOB_WORDS)
  readonly own = new Uint8Array(OWN_BYTES)
  actions = new Int32Array(1024 * ACTION_WORDS)
  count = 0
  #actionsUsed = 0
  #ownUsed = 0

  clear(): void {
    this.count = 0
    this.#actionsUsed = 0
    this.#ownUsed = 0
  }

  get full(): boolean {
    return this.count === JOBS_MAX
  }

  hasRoom(bytes: number): boolean {
    return !this.full && this.#ownUsed + bytes <= OWN_BYTES
  }

  addShared(offset: number, length: number, gsoSize: number, actions: ActionList): void {
    this.#add(0, offset, length, gsoSize, actions)
  }

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
