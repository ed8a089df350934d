// Changed records become batches by port: each once an interval and as it was last, none lost, none
// larger than it may be.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../core/clock.ts'
import { decodeRecords } from '../exchange/codec.ts'
import { KeyWord, Kind, RECORD_WORDS, RecordWord } from '../record.ts'
import { StateSaver } from './saver.ts'
import type { SavedBatch } from './store.ts'

const TCP = 6

function recordOf(id: number, ingress: number, egress: number): Int32Array {
  const record = new Int32Array(RECORD_WORDS)
  record[KeyWord.type] = (Kind.connection << 16) | (4 << 8) | TCP
  record[KeyWord.src + 3] = id
  record[KeyWord.ports] = 80
  record[RecordWord.ingress] = ingress
  record[RecordWord.egress] = egress
  return record
}

class Ground {
  readonly clock = new VirtualClock()
  readonly saved: (readonly SavedBatch[])[] = []
  readonly saver: StateSaver

  constructor(limits: { recordsMax?: number; batchBytesMax?: number } = {}) {
    const save = (batches: readonly SavedBatch[]): void => void this.saved.push(batches)
    this.saver = new StateSaver({ clock: this.clock, save, intervalMs: 100, ...limits })
  }

  /** Sources, flags and idle times of what was saved about a port. */
  of(port: number): [number, number, number][] {
    const found: [number, number, number][] = []
    for (const { port: of, bytes } of this.saved.flat())
      if (of === port)
        assert.ok(
          decodeRecords(bytes, this.clock.wall(), (record, idleMs) => {
            found.push([record[KeyWord.src + 3]!, record[RecordWord.flags]!, idleMs])
          })
        )
    return found
  }
}

test('a record is saved for both its ports, once an interval and as it was last', () => {
  const ground = new Ground()
  const { saver, clock, saved } = ground
  const record = recordOf(1, 10, 20)
  saver.add(record)
  record[RecordWord.flags] = 3
  saver.add(record, 0, 40)
  saver.add(recordOf(2, 10, 10))
  saver.add(recordOf(3, 0, 30))
  saver.add(recordOf(4, 0, 0))
  clock.advance(99)
  assert.equal(saved.length, 0)
  clock.advance(1)
  assert.equal(saved.length, 1)
  assert.deepEqual(ground.of(10), [
    [1, 3, 140],
    [2, 0, 100]
  ])
  assert.deepEqual(ground.of(20), [[1, 3, 140]])
  assert.deepEqual(ground.of(30), [[3, 0, 100]])
  assert.deepEqual(ground.of(0), [])
  clock.advance(1000)
  assert.equal(saved.length, 1)
  assert.equal(clock.waiting, 0)
})

test('a record lies where its caller keeps it', () => {
  const ground = new Ground()
  const words = new Int32Array(3 * RECORD_WORDS)
  words.set(recordOf(7, 1, 2), 2 * RECORD_WORDS)
  ground.saver.add(words, 2 * RECORD_WORDS)
  ground.saver.flush()
  assert.deepEqual(ground.of(1), [[7, 0, 0]])
})

test('many records end the interval early and are split into batches', () => {
  const ground = new Ground({ recordsMax: 64, batchBytesMax: 1500 })
  for (let id = 1; id <= 1000; id++) ground.saver.add(recordOf(id, 1, 2 + (id % 3)))
  assert.ok(ground.saved.length >= 15)
  ground.saver.flush()
  assert.ok(ground.saved.flat().every(({ bytes }) => bytes.length <= 1500))
  const ids = ground.of(1).map(([id]) => id)
  assert.deepEqual(
    ids,
    Array.from({ length: 1000 }, (_, i) => i + 1)
  )
  assert.equal(ground.of(2).length + ground.of(3).length + ground.of(4).length, 1000)
})
