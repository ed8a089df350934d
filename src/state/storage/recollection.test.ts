// What a store gives is joined by key before its age is asked.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeRecords } from '../exchange/codec.ts'
import { KeyWord, Kind, RECORD_WORDS, RecordWord, StateFlag } from '../record.ts'
import { TIMEOUTS_DEFAULT } from '../timeouts.ts'
import { recollect } from './recollection.ts'

const TCP = 6
const WALL = 1_800_000_000_000
const { assured, replied, reset } = StateFlag

interface Saved {
  readonly source?: number
  readonly born?: number
  readonly flags: number
  readonly atMs: number
}

function bytesOf({ source = 1, born = 1000, flags, atMs }: Saved): Uint8Array {
  const record = new Int32Array(RECORD_WORDS)
  record[KeyWord.type] = (Kind.connection << 16) | (4 << 8) | TCP
  record[KeyWord.src + 3] = source
  record[RecordWord.born] = born
  record[RecordWord.flags] = flags
  record[RecordWord.ingress] = 1
  return encodeRecords(record, [0], 1, WALL + atMs)
}

/** Sources, flags and idle times. */
function recollected(saved: readonly Uint8Array[], atMs: number): number[][] {
  const found: number[][] = []
  const settings = { timeouts: TIMEOUTS_DEFAULT, capacity: 1024 }
  recollect(saved, WALL + atMs, settings, (record, idleMs) => {
    found.push([record[KeyWord.src + 3]!, record[RecordWord.flags]!, idleMs])
  })
  return found.toSorted(([a], [b]) => a! - b!)
}

const opened = bytesOf({ flags: replied, atMs: 0 })
const established = bytesOf({ flags: replied | assured, atMs: 10 })
const ended = bytesOf({ flags: replied | assured | reset, atMs: 20 })

for (const [order, saved] of [
  ['as it was saved', [opened, established, ended]],
  ['backwards', [ended, established, opened]]
] as const)
  test(`D1: what was reset does not stand again by what was saved before, ${order}`, () => {
    assert.deepEqual(recollected(saved, 9020), [[1, replied | assured | reset, 9000]])
    assert.deepEqual(recollected(saved, 10_020), [])
    assert.equal(recollected([opened, established], 30_000).length, 1)
  })

test('D1: an older opening does not stand again when the younger is over', () => {
  const younger = bytesOf({ born: 1001, flags: reset, atMs: 50 })
  assert.deepEqual(recollected([established, younger], 20_000), [])
  assert.deepEqual(recollected([younger, established], 20_000), [])
})

test('more than a slice of records comes once each', () => {
  const saved = Array.from({ length: 200 }, (_, i) => [
    bytesOf({ source: 1 + i, flags: 0, atMs: 0 }),
    bytesOf({ source: 1 + i, flags: replied, atMs: i })
  ])
  const found = recollected(saved.flat(), 1000)
  assert.deepEqual(
    found,
    Array.from({ length: 200 }, (_, i) => [1 + i, replied, 1000 - i])
  )
})

test('bytes of something else are left out', () => {
  assert.deepEqual(recollected([new Uint8Array(7), opened], 0), [[1, replied, 0]])
})
