// A walk's view of the state table: what it has found, and what it would write.  Nothing is written
// before the walk is over and its packet really leaves: a packet that is dropped or postponed
// leaves no state behind. test/state/moves.test.ts holds it.

import { NoState } from './no-state.ts'
import { KEY_WORDS, keyHash, RECORD_WORDS, RecordWord, sameKey } from './record.ts'
import type { StateTable } from './table.ts'

const PENDING_MAX = 16 // records one packet may make
const REFS_MAX = 16 // records one packet may meet
const MISSES_MAX = 4

/** What one walk has found in the state table, and what it would write. */
export class StateAccess {
  readonly table: StateTable
  /** Names of the kinds of records, by number; see kinds.ts. */
  readonly kinds: readonly string[]
  readonly #other = new Int32Array(RECORD_WORDS)
  /** The record found last. */
  readonly record = new Int32Array(RECORD_WORDS)
  /** Whether it was found by key B. */
  isReturn = false
  /** What is to be written when the packet leaves. */
  readonly pending = new Int32Array(PENDING_MAX * RECORD_WORDS)
  /** Records in `pending`. */
  pendingCount = 0
  /** Handles of records met in the table, and the stamps they had. */
  readonly refs = new Int32Array(REFS_MAX)
  /** The stamp of each of `refs` when it was met. */
  readonly stamps = new Int32Array(REFS_MAX)
  /** How many `refs` there are. */
  refCount = 0
  /** Keys that nobody has, the first few. */
  readonly misses = new Int32Array(MISSES_MAX * KEY_WORDS)
  /** How many `misses` there are. */
  missCount = 0
  /** More was asked for than there is room for: the outcome must not be kept. */
  overflowed = false

  /** `kinds` are the names of kinds, by number: for traces. */
  constructor(table: StateTable = NoState, kinds: readonly string[] = []) {
    this.table = table
    this.kinds = kinds
  }

  /** Of what walks that looked for the key depend on, whether it was there or not. */
  hashOf(key: Int32Array): number {
    return keyHash(key)
  }

  /** Forgets the walk before. */
  begin(): void {
    this.pendingCount = 0
    this.refCount = 0
    this.missCount = 0
    this.overflowed = false
  }

  /** Looks among what this walk would write first.  True: `record` and `isReturn` tell. */
  find(key: Int32Array, at = 0): boolean {
    for (let i = this.pendingCount - 1; i >= 0; i--) {
      const o = i * RECORD_WORDS
      const isReturn = sameKey(this.pending, o + RecordWord.b, key, at)
      if (!isReturn && !sameKey(this.pending, o, key, at)) continue
      this.#take(this.pending, o)
      this.isReturn = isReturn
      return true
    }
    const handle = this.table.find(key, at)
    if (handle === 0 || !this.table.read(handle >>> 1, this.record)) {
      this.#miss(key, at)
      return false
    }
    this.isReturn = (handle & 1) === 1
    this.#meet(handle)
    return true
  }

  /** Whether anybody has the key, without it being met. */
  holds(key: Int32Array, at = 0): boolean {
    for (let i = 0; i < this.pendingCount; i++)
      for (let k = 0; k < 2; k++)
        if (sameKey(this.pending, i * RECORD_WORDS + k * KEY_WORDS, key, at)) return true
    return this.table.find(key, at) !== 0
  }

  /** What is to be written.  It succeeds what there is under its key A: its moment is the next. */
  put(record: Int32Array, at = 0): void {
    if (this.pendingCount === PENDING_MAX) {
      this.overflowed = true
      return
    }
    const o = this.pendingCount * RECORD_WORDS
    for (let i = 0; i < RECORD_WORDS; i++) this.pending[o + i] = record[at + i]!
    this.#succeed(o)
    this.pendingCount++
  }

  /** Adds to what is met: a record that has just been written. */
  met(handle: number): void {
    this.#meet(handle)
  }

  #succeed(o: number): void {
    const [before, at] = this.#before(o)
    const isFirst = before === null
    this.pending[o + RecordWord.born] = isFirst ? 0 : before[at + RecordWord.born]!
    this.pending[o + RecordWord.generation] = isFirst ? 0 : before[at + RecordWord.generation]! + 1
  }

  // Where the record stands that has the key A of pending[o]: among those of this walk, the last.
  #before(o: number): [words: Int32Array | null, at: number] {
    for (let at = o - RECORD_WORDS; at >= 0; at -= RECORD_WORDS)
      if (sameKey(this.pending, at, this.pending, o)) return [this.pending, at]
    const handle = this.table.find(this.pending, o)
    if (handle === 0 || (handle & 1) === 1) return [null, 0]
    return this.table.read(handle >>> 1, this.#other) ? [this.#other, 0] : [null, 0]
  }

  #miss(key: Int32Array, at: number): void {
    if (this.missCount === MISSES_MAX) return
    const o = this.missCount++ * KEY_WORDS
    for (let i = 0; i < KEY_WORDS; i++) this.misses[o + i] = key[at + i]!
  }

  #take(words: Int32Array, at: number): void {
    for (let i = 0; i < RECORD_WORDS; i++) this.record[i] = words[at + i]!
  }

  #meet(handle: number): void {
    for (let i = 0; i < this.refCount; i++) if (this.refs[i] === handle) return
    if (this.refCount === REFS_MAX) {
      this.overflowed = true
      return
    }
    this.refs[this.refCount] = handle
    this.stamps[this.refCount++] = this.table.stamp(handle >>> 1)
  }
}
