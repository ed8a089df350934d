// Reads a state table out, for its tests.

import assert from 'node:assert/strict'
import { RECORD_WORDS, RecordWord } from '../../src/state/record.ts'
import type { StateTable } from '../../src/state/table.ts'
import type { Timeouts } from '../../src/state/timeouts.ts'

export interface Ground {
  readonly table: StateTable
  /** Moves the table's clock to so many ms. */
  at(ms: number): void
}
export type Open = (capacity: number, timeouts?: Timeouts) => Ground

export const flagsOf = (table: StateTable, id: number): number => {
  const words = new Int32Array(RECORD_WORDS)
  assert.ok(table.read(id, words))
  return words[RecordWord.flags]!
}

/** Everything in the table, as it reads it out by `room` records at a time. */
export function listed(table: StateTable, room = 7): Array<{ words: Int32Array; idle: number }> {
  const into = new Int32Array(room * RECORD_WORDS)
  const idle = new Float64Array(room)
  const all = []
  let from = 0
  do {
    const n = table.scan(from, into, idle)
    for (let i = 0; i < n; i++) all.push({ words: wordsAt(into, i), idle: idle[i]! })
    from = table.next
  } while (from !== 0)
  return all
}

const wordsAt = (into: Int32Array, i: number): Int32Array =>
  into.slice(i * RECORD_WORDS, (i + 1) * RECORD_WORDS)

export function expired(table: StateTable, room = 5): Int32Array[] {
  const into = new Int32Array(room * RECORD_WORDS)
  const gone: Int32Array[] = []
  for (let n = room; n === room; ) {
    n = table.expire(into, room)
    for (let i = 0; i < n; i++) gone.push(wordsAt(into, i))
  }
  return gone
}
