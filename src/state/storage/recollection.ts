// What a store gave of a port, as records for a table.  A record was saved each time it changed, by
// each host that changed it; so all that was saved of one key is joined before it is asked whether
// its time has passed.  Asked one by one, a connection that was reset would have outlived its time
// by what was saved last, and stand again by what was saved before.

import { decodeRecords } from '../exchange/codec.ts'
import { MemoryStateTable } from '../memory-table.ts'
import { keyHash, RECORD_WORDS, RecordWord } from '../record.ts'
import { Put, type StateTable } from '../table.ts'
import { type Timeouts, timeoutOf } from '../timeouts.ts'

const SLICE = 64

/** What a recollection is bounded by. */
export interface RecollectionSettings {
  readonly timeouts: Timeouts
  /** Records of different keys; with more, some are left out as a full table evicts. */
  readonly capacity: number
  /** The stamp of today's kinds; 0: whatever was saved is taken. */
  readonly kinds?: number
}

/**
 * Gives each record whose time has not passed, once, and how long it has been idle, ms; the record
 * is only lent. `saved` may come in any order. Batches not of `encodeRecords` are left out.
 */
export function recollect(
  saved: Iterable<Uint8Array>,
  wallMs: number,
  { timeouts, capacity, kinds = 0 }: RecollectionSettings,
  found: (record: Int32Array, idleMs: number) => void
): void {
  const joined = new MemoryStateTable({ capacity, timeouts, now: () => 0 })
  for (const bytes of saved)
    decodeRecords(bytes, wallMs, (record, idleMs) => void joined.put(record, 0, idleMs), kinds)
  const records = new Int32Array(SLICE * RECORD_WORDS)
  const idleMs = new Float64Array(SLICE)
  for (let from = 1; from !== 0; from = joined.next) {
    const n = joined.scan(from, records, idleMs)
    for (let i = 0; i < n; i++) {
      const record = records.subarray(i * RECORD_WORDS, (i + 1) * RECORD_WORDS)
      if (idleMs[i]! < timeoutOf(timeouts, record) * 1000) found(record, idleMs[i]!)
    }
  }
}

/**
 * Puts into a table what was saved, as `recollect` gives it, unless the table knows better. Gives
 * the hashes of the keys that are there now.
 */
export function restore(
  table: StateTable,
  saved: Iterable<Uint8Array>,
  wallMs: number,
  settings: Omit<RecollectionSettings, 'capacity'>
): number[] {
  const hashes: number[] = []
  recollect(saved, wallMs, { ...settings, capacity: table.capacity }, (record, idleMs) => {
    if (table.put(record, 0, idleMs) === Put.refused) return
    hashes.push(keyHash(record), keyHash(record, RecordWord.b))
  })
  return hashes
}
