// What a flow-state store has still to write: first in, first out, bounded in bytes.  Writing takes
// from the front and may put back what the world refused, so that order is kept and nothing is
// lost while there is room.  What comes when it is full is left out: it is the newest, but its flow
// lives here, and is saved again when the flow is refreshed. test/state/journal.test.ts holds it.

import { invariant, less } from '../../core/assert.ts'
import { BATCH_BYTES_MAX, type SavedBatch } from './store.ts'

/** A batch that is still to be written. */
export interface Waiting extends SavedBatch {
  /** Wall clock when it was saved, ms. */
  readonly at: number
  /** One more than that of the one before. */
  readonly serial: number
}

// What a waiting batch costs besides its bytes.
const OVERHEAD_BYTES = 100
// An array is not cut at its front for every batch that leaves.
const CUT_MIN = 1024

/** What a store has still to write: first in, first out, bounded in bytes. */
export class SaveQueue {
  readonly #bytesMax: number
  #items: Waiting[] = []
  #head = 0
  #bytes = 0
  #serial = 0
  /** Batches that found no room, or were too large for any. */
  leftOut = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** How many batches wait. */
  get length(): number {
    return this.#items.length - this.#head
  }

  /** Memory they take. */
  get bytes(): number {
    return this.#bytes
  }

  /** Puts a batch at the end, saved at wall clock `at`; without room it is left out and counted. */
  push(batch: SavedBatch, at: number): void {
    const cost = costOf(batch)
    if (batch.bytes.length > BATCH_BYTES_MAX || this.#bytes + cost > this.#bytesMax) {
      this.leftOut++
      return
    }
    const { port, bytes } = batch
    this.#items.push({ port, bytes, at, serial: this.#serial++ })
    this.#bytes += cost
  }

  /** From the front: one at least, then as many as stay below `bytesMax` together. */
  peek(bytesMax: number): readonly Waiting[] {
    let end = this.#head
    let total = 0
    while (end < this.#items.length) {
      total += costOf(this.#items[end]!)
      if (end > this.#head && total > bytesMax) break
      end++
    }
    return this.#items.slice(this.#head, end)
  }

  /** Takes the first batch out; undefined when none waits. */
  shift(): Waiting | undefined {
    const first = this.#items[this.#head]
    if (first !== undefined) this.drop(1)
    return first
  }

  /** Lets the first `count` go. */
  drop(count: number): void {
    invariant(count <= this.length, 'no more batches leave than wait')
    for (let i = this.#head; i < this.#head + count; i++)
      this.#bytes = less(this.#bytes, costOf(this.#items[i]!), 'bytes to be written')
    this.#head += count
    if (this.#head < CUT_MIN && this.#head < this.#items.length) return
    this.#items = this.#items.slice(this.#head)
    this.#head = 0
  }

  /** Puts one back that was taken.  It may exceed the bound by what came in between. */
  putBack(waiting: Waiting): void {
    if (this.#head > 0) this.#items[--this.#head] = waiting
    else this.#items.unshift(waiting)
    this.#bytes += costOf(waiting)
  }

  /** Leaves out all that waits. */
  clear(): void {
    this.leftOut += this.length
    this.drop(this.length)
  }
}

const costOf = (batch: SavedBatch): number => batch.bytes.length + OVERHEAD_BYTES
