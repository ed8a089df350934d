// From records that changed to batches of a store: for each port a record goes in or out by, what
// changed within an interval, each record once and as it was last.  It lives where records change;
// what it gives may go to a store in another thread.

import type { Clock, Timer } from '../../core/clock.ts'
import { ENTRY_BYTES_MAX, encodeRecords } from '../exchange/codec.ts'
import { keyHash, RECORD_WORDS, RecordWord, sameKey } from '../record.ts'
import type { SavedBatch } from './store.ts'

/** What a saver is made of. */
export interface SaverOptions {
  readonly clock: Clock
  /** Takes what an interval gave: a store's `save`, or the way to it. */
  readonly save: (batches: readonly SavedBatch[]) => void
  /** Has the store forget what it holds of a port. */
  readonly forget?: (port: number) => void
  /** The stamp of the kinds of records (kindsStamp); 0: none. */
  readonly kinds?: number
  /** Changes of this time become one batch for each port. */
  readonly intervalMs?: number
  /** Records of an interval; with more it ends early. */
  readonly recordsMax?: number
  /** Of one batch, about. */
  readonly batchBytesMax?: number
}

const INTERVAL_MS = 200
const RECORDS_MAX = 4096
const BATCH_BYTES_MAX = 32 << 10
// Of a batch besides its entries; codec.ts writes it.
const BATCH_HEAD_BYTES = 64

/** Gathers changed records into batches of a store, by port. */
export class StateSaver {
  readonly #clock: Clock
  readonly #save: (batches: readonly SavedBatch[]) => void
  readonly #forget: ((port: number) => void) | undefined
  readonly #kinds: number
  readonly #intervalMs: number
  readonly #max: number
  readonly #records: Int32Array
  readonly #usedAt: Float64Array // when each was last active, by the clock's `now`
  readonly #index: Int32Array // slot + 1 by the hash of key A; open addressing, at most half full
  readonly #batch: Int32Array // the records of one batch, side by side
  readonly #batchIdle: Float64Array
  readonly #perBatch: number
  #count = 0
  #timer: Timer | null = null

  constructor(options: SaverOptions) {
    const { recordsMax = RECORDS_MAX, batchBytesMax = BATCH_BYTES_MAX } = options
    this.#clock = options.clock
    this.#save = options.save
    this.#forget = options.forget
    this.#kinds = options.kinds ?? 0
    this.#intervalMs = options.intervalMs ?? INTERVAL_MS
    this.#max = recordsMax
    this.#records = new Int32Array(recordsMax * RECORD_WORDS)
    this.#usedAt = new Float64Array(recordsMax)
    this.#index = new Int32Array(2 ** Math.ceil(Math.log2(recordsMax * 2)))
    const room = Math.floor((batchBytesMax - BATCH_HEAD_BYTES) / ENTRY_BYTES_MAX)
    this.#perBatch = Math.max(1, room)
    this.#batch = new Int32Array(this.#perBatch * RECORD_WORDS)
    this.#batchIdle = new Float64Array(this.#perBatch)
  }

  /** The record at record[at] is new or has changed; it was active until `idleMs` ago. */
  add(record: Int32Array, at = 0, idleMs = 0): void {
    // Of no port, nobody would ever load it.
    if (record[at + RecordWord.ingress] === 0 && record[at + RecordWord.egress] === 0) return
    const slot = this.#slotFor(record, at)
    const to = slot * RECORD_WORDS
    for (let i = 0; i < RECORD_WORDS; i++) this.#records[to + i] = record[at + i]!
    this.#usedAt[slot] = this.#clock.now() - idleMs
    if (this.#count === this.#max) this.flush()
    else this.#timer ??= this.#clock.after(this.#intervalMs, () => this.flush())
  }

  /** Gives what there is, without waiting for the interval to end. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#count === 0) return
    const batches: SavedBatch[] = []
    for (const [port, slots] of this.#byPort())
      for (let from = 0; from < slots.length; from += this.#perBatch)
        batches.push({ port, bytes: this.#encode(slots.slice(from, from + this.#perBatch)) })
    this.#count = 0
    this.#index.fill(0)
    this.#save(batches)
  }

  /** A port is elsewhere now: another host knows better from here on. */
  forget(port: number): void {
    this.flush()
    this.#forget?.(port)
  }

  #slotFor(record: Int32Array, at: number): number {
    const mask = this.#index.length - 1
    let i = keyHash(record, at + RecordWord.a) & mask
    for (; this.#index[i] !== 0; i = (i + 1) & mask) {
      const slot = this.#index[i]! - 1
      if (sameKey(this.#records, slot * RECORD_WORDS, record, at + RecordWord.a)) return slot
    }
    this.#index[i] = ++this.#count
    return this.#count - 1
  }

  #byPort(): Map<number, number[]> {
    const ports = new Map<number, number[]>()
    for (let slot = 0; slot < this.#count; slot++) {
      const ingress = this.#records[slot * RECORD_WORDS + RecordWord.ingress]!
      const egress = this.#records[slot * RECORD_WORDS + RecordWord.egress]!
      if (ingress !== 0) into(ports, ingress, slot)
      if (egress !== 0 && egress !== ingress) into(ports, egress, slot)
    }
    return ports
  }

  #encode(slots: readonly number[]): Uint8Array {
    const now = this.#clock.now()
    for (const [i, slot] of slots.entries()) {
      const at = slot * RECORD_WORDS
      this.#batch.set(this.#records.subarray(at, at + RECORD_WORDS), i * RECORD_WORDS)
      this.#batchIdle[i] = now - this.#usedAt[slot]!
    }
    const wall = this.#clock.wall()
    return encodeRecords(this.#batch, this.#batchIdle, slots.length, wall, this.#kinds)
  }
}

function into(ports: Map<number, number[]>, port: number, slot: number): void {
  const slots = ports.get(port)
  if (slots === undefined) ports.set(port, [slot])
  else slots.push(slot)
}
