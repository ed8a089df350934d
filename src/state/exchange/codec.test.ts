// Records as bytes: what is written can be read, and whatever is read, nothing is thrown.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../../test/cases.ts'
import { anyRecord } from '../../../test/state/any-records.ts'
import { record as plain } from '../../../test/state/records.ts'
import { KEY_WORDS, RECORD_WORDS } from '../record.ts'
import * as codec from './codec.ts'

fc.configureGlobal({ seed: 20_260_111 })

const MARGIN = 8
const CANARY = 0xa5
const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

test('a record comes out of its entry as it went in, and no byte lies outside', () => {
  fc.assert(
    fc.property(anyRecord, fc.nat(0xffff_ffff), (record, idleMs) => {
      const bytes = new Uint8Array(codec.ENTRY_BYTES_MAX + 2 * MARGIN).fill(CANARY)
      const end = codec.encodeEntry(viewOf(bytes), MARGIN, record, 0, idleMs)
      assert.equal(end - MARGIN, codec.entryBytes(record))
      const outside = [...bytes.subarray(0, MARGIN), ...bytes.subarray(end)]
      assert.ok(outside.every(byte => byte === CANARY))
      const read = new Int32Array(RECORD_WORDS + 2).fill(CANARY)
      assert.equal(codec.decodeEntry(viewOf(bytes), MARGIN, end, read, 1), end)
      assert.deepEqual(read.subarray(1, -1), record)
      assert.deepEqual([read[0], read.at(-1)], [CANARY, CANARY])
      assert.equal(codec.entryIdleMs(viewOf(bytes), MARGIN), idleMs)
      for (let short = MARGIN; short < end; short++)
        assert.equal(codec.decodeEntry(viewOf(bytes), MARGIN, short, read, 1), -1)
    }),
    { numRuns: casesOf(500) }
  )
})

test('entries have the lengths that the page says', () => {
  const lengths = new Set(fc.sample(anyRecord, 200).map(record => codec.entryBytes(record)))
  assert.deepEqual(
    [...lengths].sort((a, b) => a - b),
    [56, 76, 80, 124]
  )
})

test('a longer idle time than fits is the longest that does', () => {
  const view = viewOf(new Uint8Array(codec.ENTRY_BYTES_MAX))
  for (const [given, read] of [
    [2 ** 40, 0xffff_ffff],
    [-5, 0],
    [1.9, 1]
  ] as const) {
    codec.encodeEntry(view, 0, plain(), 0, given)
    assert.equal(codec.entryIdleMs(view, 0), read)
  }
})

test('no bytes whatever are too much for the decoders, and what they take is canonical', () => {
  const head = fc.tuple(fc.constantFrom(1, 2, 0x83, 0x84, 0, 16), fc.constantFrom(4, 6, 5))
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 200 }), ([kind, family], rest) => {
      const bytes = Uint8Array.of(kind, family, ...rest)
      const record = new Int32Array(RECORD_WORDS)
      const end = codec.decodeEntry(viewOf(bytes), 0, bytes.length, record, 0)
      if (end < 0) return
      const again = new Uint8Array(end)
      const idleMs = codec.entryIdleMs(viewOf(bytes), 0)
      assert.equal(codec.encodeEntry(viewOf(again), 0, record, 0, idleMs), end)
      assert.deepEqual(again, bytes.slice(0, end))
    }),
    { numRuns: casesOf(3000) }
  )
})

test('a key comes out as it went in, and is no key when cut', () => {
  fc.assert(
    fc.property(anyRecord, record => {
      const bytes = new Uint8Array(codec.KEY_BYTES_MAX)
      const end = codec.encodeKey(viewOf(bytes), 0, record, 0)
      const key = new Int32Array(KEY_WORDS)
      assert.equal(codec.decodeKey(viewOf(bytes), 0, end, key, 0), end)
      assert.deepEqual(key, record.slice(0, KEY_WORDS))
      for (let short = 0; short < end; short++)
        assert.equal(codec.decodeKey(viewOf(bytes), 0, short, key, 0), -1)
    })
  )
})

test('a row of entries is counted, and a row with anything else is not', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 5 }), records => {
      const bytes = new Uint8Array(5 * codec.ENTRY_BYTES_MAX)
      let end = 0
      for (const record of records) end = codec.encodeEntry(viewOf(bytes), end, record, 0, 0)
      assert.equal(codec.countEntries(viewOf(bytes), 0, end), records.length)
      if (end > 0) assert.equal(codec.countEntries(viewOf(bytes), 0, end - 1), -1)
      assert.equal(codec.countEntries(viewOf(bytes), 0, end + 1), -1)
    })
  )
})

const WALL = 1_700_000_000_000

test('saved records come back older by the time that has passed', () => {
  const saved = fc.array(fc.tuple(anyRecord, fc.nat(1_000_000)), { maxLength: 20 })
  fc.assert(
    fc.property(saved, fc.integer({ min: -1000, max: 100_000_000 }), (list, laterMs) => {
      const records = Int32Array.from(list.flatMap(([record]) => [...record]))
      const idle = list.map(([, idleMs]) => idleMs)
      const bytes = codec.encodeRecords(records, idle, list.length, WALL)
      const found: Array<[Int32Array, number]> = []
      const take = (record: Int32Array, idleMs: number) => found.push([record.slice(), idleMs])
      assert.ok(codec.decodeRecords(bytes, WALL + laterMs, take))
      const aged = Math.max(0, laterMs)
      assert.deepEqual(
        found,
        list.map(([record, idleMs]) => [record, idleMs + aged])
      )
    })
  )
})

test('spoilt saved bytes give nothing', () => {
  const records = Int32Array.from([...plain(), ...plain({ src: 3 })])
  const bytes = codec.encodeRecords(records, [0, 0], 2, WALL)
  const never = () => assert.fail('a record of spoilt bytes')
  for (let short = 0; short < bytes.length; short++)
    assert.equal(codec.decodeRecords(bytes.subarray(0, short), WALL, never), false)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes =>
      assert.equal(codec.decodeRecords(bytes, WALL, never), false)
    )
  )
})

test('what was saved with other kinds of records gives nothing', () => {
  const given = (saved: number, ours: number): number => {
    let found = 0
    const bytes = codec.encodeRecords(plain(), [0], 1, WALL, saved)
    const isRead = codec.decodeRecords(bytes, WALL, () => void found++, ours)
    assert.equal(isRead, found === 1)
    return found
  }
  assert.deepEqual([given(7, 7), given(7, 0), given(0, 7)], [1, 1, 1])
  assert.equal(given(7, 8), 0)
})
