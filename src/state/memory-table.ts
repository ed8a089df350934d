// The state table in TypeScript: typed arrays that grow up to the capacity, chains of handles in
// buckets by keyHash.  Nothing is allocated for a packet but when it grows.  Expiry looks at all
// records, but only once the earliest deadline it knows of has passed.
// test/state/memory-table.test.ts holds it.

import { invariant, less } from '../core/assert.ts'
import { judge, merge } from './conflict.ts'
import { type Candidate, goesBefore, Holders, RICH } from './holders.ts'
import { hasReturn, keyHash, RECORD_WORDS, RecordWord, StateFlag, sameKey } from './record.ts'
import { EVICTED_MAX, KINDS_MAX, Put, type StateTable } from './table.ts'
import {
  flagsAfter,
  goesOn,
  isMemory,
  isOver,
  type Timeouts,
  timeoutOf,
  withoutReset
} from './timeouts.ts'

/** What a table is made of. */
export interface MemoryStateSettings {
  /** Records at most. */
  readonly capacity: number
  readonly timeouts: Timeouts
  /** Milliseconds, never backwards. */
  readonly now: () => number
}

const FIRST = 64
const CANDIDATES = 16
const CANDIDATES_MAX = 256 // until one is of a port that holds its share
const STAMP_MAX = 0x7fffffff

/** The state table in TypeScript, for the memory datapath and for tests. */
export class MemoryStateTable implements StateTable {
  readonly capacity: number
  readonly #timeouts: Timeouts
  readonly #now: () => number
  // By id: RECORD_WORDS each, when last used, 0 or the tenant's stamp.
  #words = new Int32Array(0)
  #used = new Float64Array(0)
  #stamps = new Int32Array(0)
  // By handle: the next handle of the bucket, and the hash of its key.
  #chain = new Int32Array(0)
  #hashes = new Int32Array(0)
  #buckets = new Int32Array(0)
  readonly #free: number[] = []
  readonly #counts = new Int32Array(KINDS_MAX)
  readonly #holders = new Holders()
  #top = 1 // ids from here on were never given out
  #size = 0
  #stamp = 0
  #soonest = Number.POSITIVE_INFINITY // no record's deadline is before it
  #hand = 0
  #lastId = 0
  #next = 0
  #evicted = 0
  #untold = 0
  #isOpen = true
  readonly #remembered: Int32Array[] = []

  constructor({ capacity, timeouts, now }: MemoryStateSettings) {
    this.capacity = capacity
    this.#timeouts = timeouts
    this.#now = now
    this.#grow(Math.min(FIRST, capacity))
  }

  get size(): number {
    return this.#size
  }
  get lastId(): number {
    return this.#lastId
  }
  get next(): number {
    return this.#next
  }
  get evicted(): number {
    return this.#evicted
  }
  get untold(): number {
    return this.#untold
  }
  count(kind: number): number {
    return this.#counts[kind] ?? 0
  }

  heldBy(port: number): number {
    return this.#holders.heldBy(port)
  }

  find(key: Int32Array, at = 0): number {
    const hash = keyHash(key, at)
    let handle = this.#buckets[hash & (this.#buckets.length - 1)]!
    while (handle !== 0 && !this.#holds(handle, hash, key, at)) handle = this.#chain[handle]!
    return handle
  }

  read(id: number, into: Int32Array, at = 0): boolean {
    if (this.stamp(id) === 0) return false
    this.#copy(id, into, at)
    return true
  }

  stamp(id: number): number {
    return this.#stamps[id] ?? 0
  }

  put(record: Int32Array, at = 0, idleMs = 0): number {
    const kind = record[at]! >>> 16
    const used = this.#now() - Math.max(0, idleMs)
    this.#lastId = 0
    if (kind === 0 || kind >= KINDS_MAX || !this.#isOpen) return Put.refused
    const id = this.#holder(record, at)
    if (id === 0) return this.#add(record, at, used)
    this.#lastId = id
    const words = id * RECORD_WORDS
    const what = judge(this.#words, words, record, at)
    if (what === Put.merged) {
      this.#holders.letGo(this.#words[words + RecordWord.ingress]!)
      merge(this.#words, words, record, at)
      this.#holders.hold(this.#words[words + RecordWord.ingress]!)
      this.#touch(id, used)
    } else if (what === Put.replaced) {
      this.#unfile(id)
      this.#file(id, record, at, used)
    }
    return what
  }

  note(handle: number, stamp: number, tcpFlags: number, idleMs: number): boolean {
    const id = handle >>> 1
    if (stamp === 0 || this.stamp(id) !== stamp) return false
    const at = id * RECORD_WORDS
    const flags = this.#words[at + RecordWord.flags]!
    const protocol = this.#words[at]! & 255
    const used = this.#now() - Math.max(0, idleMs)
    let after = flagsAfter(protocol, flags, (handle & 1) === 1, tcpFlags)
    if (goesOn(protocol, flags, tcpFlags, used - this.#used[id]!)) {
      after = withoutReset(after)
      this.#words[at + RecordWord.generation]! += 1 // others hold that it was reset
    }
    this.#words[at + RecordWord.flags] = after
    this.#touch(id, used)
    return after !== flags
  }

  remove(id: number, stamp: number): boolean {
    if (stamp === 0 || this.stamp(id) !== stamp) return false
    this.#take(id)
    return true
  }

  expire(into: Int32Array, max: number): number {
    const now = this.#now()
    const room = Math.min(max, Math.trunc(into.length / RECORD_WORDS))
    let n = 0
    while (n < room && this.#remembered.length > 0)
      into.set(this.#remembered.pop()!, n++ * RECORD_WORDS)
    if (now < this.#soonest) return n
    let soonest = Number.POSITIVE_INFINITY
    for (let id = 1; id < this.#top; id++) {
      if (this.#stamps[id] === 0) continue
      const deadline = this.#deadline(id)
      if (deadline > now || n === room) soonest = Math.min(soonest, deadline)
      else {
        this.#copy(id, into, n++ * RECORD_WORDS)
        this.#take(id)
      }
    }
    this.#soonest = soonest
    return n
  }

  scan(from: number, into: Int32Array, idleMs: Float64Array): number {
    const room = Math.min(idleMs.length, Math.trunc(into.length / RECORD_WORDS))
    const now = this.#now()
    let n = 0
    let id = Math.max(from, 1)
    for (; id < this.#top && n < room; id++) {
      if (this.#stamps[id] === 0) continue
      idleMs[n] = Math.max(0, now - this.#used[id]!)
      this.#copy(id, into, n++ * RECORD_WORDS)
    }
    this.#next = id < this.#top ? id : 0
    return n
  }

  close(): void {
    this.#isOpen = false
    this.#size = 0
    this.#remembered.length = 0
    this.#top = 1
    this.#free.length = 0
    this.#counts.fill(0)
    this.#holders.clear()
    this.#stamps.fill(0)
    this.#buckets.fill(0)
  }

  #add(record: Int32Array, at: number, used: number): number {
    if (this.#size === this.capacity && !this.#evict(record[at + RecordWord.ingress]!))
      return Put.refused
    const id = this.#free.pop() ?? this.#top++
    if (id >= this.#stamps.length) this.#grow(Math.min(this.capacity, id * 2))
    this.#size++
    this.#lastId = id
    this.#file(id, record, at, used)
    return Put.added
  }

  #file(id: number, record: Int32Array, at: number, used: number): void {
    const words = id * RECORD_WORDS
    for (let i = 0; i < RECORD_WORDS; i++) this.#words[words + i] = record[at + i]!
    this.#stamp = this.#stamp === STAMP_MAX ? 1 : this.#stamp + 1
    this.#stamps[id] = this.#stamp
    this.#counts[record[at]! >>> 16]!++
    this.#holders.hold(record[at + RecordWord.ingress]!)
    this.#used[id] = used
    this.#touch(id, used)
    if (hasReturn(this.#words, words)) this.#link((id << 1) | 1, RecordWord.b)
    this.#link(id << 1, RecordWord.a) // in front: a key that is its own answer's says forward
  }

  #unfile(id: number): void {
    const words = id * RECORD_WORDS
    const kind = this.#words[words]! >>> 16
    this.#counts[kind] = less(this.#counts[kind]!, 1, 'records of a kind')
    this.#holders.letGo(this.#words[words + RecordWord.ingress]!)
    this.#unlink(id << 1)
    if (hasReturn(this.#words, words)) this.#unlink((id << 1) | 1)
  }

  #take(id: number): void {
    this.#unfile(id)
    this.#stamps[id] = 0
    this.#free.push(id)
    this.#size = less(this.#size, 1, 'records')
  }

  /** Used until then, at least. */
  #touch(id: number, used: number): void {
    if (used > this.#used[id]!) this.#used[id] = used
    this.#soonest = Math.min(this.#soonest, this.#deadline(id))
  }

  #deadline(id: number): number {
    return this.#used[id]! + timeoutOf(this.#timeouts, this.#words, id * RECORD_WORDS) * 1000
  }

  #evict(port: number): boolean {
    const worst = this.#worst(port)
    if (worst === 0) return false
    const at = worst * RECORD_WORDS
    if (this.#remembered.length === EVICTED_MAX) this.#untold++
    else this.#remembered.push(this.#words.slice(at, at + RECORD_WORDS))
    this.#take(worst)
    this.#evicted++
    return true
  }

  // Candidates lie evenly over the table, wherever its old records lie.
  #worst(port: number): number {
    let worst: Candidate | undefined
    for (let n = 0; n < CANDIDATES_MAX && (worst?.rank ?? RICH + 1) > RICH; n += CANDIDATES)
      for (let i = 0; i < CANDIDATES; i++) {
        this.#hand = (this.#hand + 0x9e3779b9) >>> 0
        const id = 1 + Math.floor((this.#hand / 2 ** 32) * this.capacity)
        if (this.stamp(id) === 0) continue
        const candidate = this.#candidate(id, port)
        if (worst === undefined || goesBefore(candidate, worst)) worst = candidate
      }
    return worst?.id ?? 0
  }

  #candidate(id: number, newcomer: number): Candidate {
    const port = this.#words[id * RECORD_WORDS + RecordWord.ingress]!
    const rank = this.#holders.rank(port, this.#isIdle(id), this.#size, newcomer)
    return { id, rank, held: this.#holders.heldBy(port), deadline: this.#deadline(id) }
  }

  #isIdle(id: number): boolean {
    const at = id * RECORD_WORDS
    const flags = this.#words[at + RecordWord.flags]!
    if (isMemory(this.#timeouts, this.#words[at]! >>> 16)) return false
    return (flags & StateFlag.replied) === 0 || isOver(flags)
  }

  /** The record with this key A, or 0. */
  #holder(record: Int32Array, at: number): number {
    const hash = keyHash(record, at)
    let handle = this.#buckets[hash & (this.#buckets.length - 1)]!
    while (handle !== 0 && ((handle & 1) === 1 || !this.#holds(handle, hash, record, at)))
      handle = this.#chain[handle]!
    return handle >>> 1
  }

  #holds(handle: number, hash: number, key: Int32Array, at: number): boolean {
    if (this.#hashes[handle] !== hash) return false
    return sameKey(this.#words, keyAt(handle), key, at)
  }

  #copy(id: number, into: Int32Array, at: number): void {
    const from = id * RECORD_WORDS
    for (let i = 0; i < RECORD_WORDS; i++) into[at + i] = this.#words[from + i]!
  }

  #link(handle: number, side: number): void {
    const hash = keyHash(this.#words, (handle >>> 1) * RECORD_WORDS + side)
    const bucket = hash & (this.#buckets.length - 1)
    this.#hashes[handle] = hash
    this.#chain[handle] = this.#buckets[bucket]!
    this.#buckets[bucket] = handle
  }

  #unlink(handle: number): void {
    const bucket = this.#hashes[handle]! & (this.#buckets.length - 1)
    const after = this.#chain[handle]!
    if (this.#buckets[bucket] === handle) {
      this.#buckets[bucket] = after
      return
    }
    let before = this.#buckets[bucket]!
    while (this.#chain[before] !== handle) {
      invariant(before !== 0, 'a record is found where its key says')
      before = this.#chain[before]!
    }
    this.#chain[before] = after
  }

  #grow(records: number): void {
    const ids = records + 1
    this.#words = grown(this.#words, new Int32Array(ids * RECORD_WORDS))
    this.#used = grown(this.#used, new Float64Array(ids))
    this.#stamps = grown(this.#stamps, new Int32Array(ids))
    this.#chain = grown(this.#chain, new Int32Array(ids * 2))
    this.#hashes = grown(this.#hashes, new Int32Array(ids * 2))
    this.#rehash(2 ** Math.ceil(Math.log2(ids * 2)))
  }

  /** Chains keep their order: of records with one key, the last comes first. */
  #rehash(buckets: number): void {
    const before = this.#buckets
    const ends = new Int32Array(buckets)
    this.#buckets = new Int32Array(buckets)
    for (let handle of before)
      for (let after = 0; handle !== 0; handle = after) {
        after = this.#chain[handle]!
        const bucket = this.#hashes[handle]! & (buckets - 1)
        if (ends[bucket] === 0) this.#buckets[bucket] = handle
        else this.#chain[ends[bucket]!] = handle
        this.#chain[handle] = 0
        ends[bucket] = handle
      }
  }
}

const keyAt = (handle: number): number =>
  (handle >>> 1) * RECORD_WORDS + ((handle & 1) === 1 ? RecordWord.b : RecordWord.a)

function grown<T extends Int32Array | Float64Array>(before: T, after: T): T {
  after.set(before)
  return after
}
