// How many connections each member has, as far as this host knows: those it has made itself and
// those other hosts have told it of.  The table of flow state does not count by member, so it is
// read through, a slice at a time; between two readings, connections made here are added.  So a
// connection that has ended is counted for up to one reading more, and one through a host that
// does not share its state with this one never: a limit is each host's own.
// balancer.test.ts holds it.

import { type Clock, isOver, state, type Timer } from '../../../src/plugin.ts'

const { KeyWord, RECORD_WORDS, RecordWord } = state

const SLICE = 256 // records
const SLICE_EVERY_MS = 5

/** What is read of the table of flow state. */
export interface Records {
  /** StateTable.scan. */
  scan(from: number, into: Int32Array, idleMs: Float64Array): number
  /** StateTable.next. */
  readonly next: number
}

/** How many connections each member has, counted now and then. */
export class ConnectionCounts {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #kind: number
  readonly #records = new Int32Array(SLICE * RECORD_WORDS)
  readonly #idleMs = new Float64Array(SLICE)
  #table: Records | null = null
  #counts = new Map<number, number>() // member word → connections
  #next: Map<number, number> | null = null // of the reading under way
  #timer: Timer | null = null

  /** `kind` of the records that stand for connections to members. */
  constructor(clock: Clock, intervalMs: number, kind: number) {
    this.#kind = kind
    this.#clock = clock
    this.#intervalMs = intervalMs
  }

  /** From now on it is worth counting. */
  watch(table: Records): void {
    if (this.#table === table) return
    this.#table = table
    this.#timer?.cancel()
    this.#read(0)
  }

  /** Connections of the member with this word. */
  countOf(word: number): number {
    return this.#counts.get(word) ?? 0
  }

  /** A connection was given to the member: the reading under way may have passed its place. */
  count(word: number): void {
    if (this.#table === null) return
    for (const counts of [this.#counts, this.#next]) if (counts !== null) add(counts, word)
  }

  /** Counts no more. */
  stop(): void {
    this.#timer?.cancel()
  }

  #read(from: number): void {
    const table = this.#table!
    const counts = from === 0 || this.#next === null ? new Map() : this.#next
    this.#next = counts
    const count = table.scan(from, this.#records, this.#idleMs)
    const { next } = table // others scan too
    for (let i = 0; i < count; i++) this.#countRecord(counts, i * RECORD_WORDS)
    if (next !== 0) {
      this.#timer = this.#clock.after(SLICE_EVERY_MS, () => this.#read(next))
      return
    }
    this.#counts = counts
    this.#next = null
    this.#timer = this.#clock.after(this.#intervalMs, () => this.#read(0))
  }

  #countRecord(counts: Map<number, number>, at: number): void {
    const records = this.#records
    if (records[at + KeyWord.type]! >>> 16 !== this.#kind) return
    if (isOver(records[at + RecordWord.flags]!)) return
    const word = records[at + RecordWord.data]!
    if (word !== 0) add(counts, word)
  }
}

function add(counts: Map<number, number>, word: number): void {
  counts.set(word, (counts.get(word) ?? 0) + 1)
}
