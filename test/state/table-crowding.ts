// What goes when a table is full, and how much each port holds; part of the contract of the state
// tables.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StateFlag } from '../../src/state/record.ts'
import { EVICTED_MAX, Put, type StateTable } from '../../src/state/table.ts'
import { keyA, record } from './records.ts'
import { expired, listed, type Open } from './table-reading.ts'

const { assured, replied } = StateFlag

export const crowding = (open: Open): unknown =>
  describe('crowding', () => {
    const flood = (table: StateTable, from: number, n: number): void => {
      for (let i = 0; i < n; i++) assert.equal(table.put(record({ src: from + i })), Put.added)
    }

    test('a full table lets as many go as come, and never grows', () => {
      const { table } = open(50)
      flood(table, 0, 500)
      assert.deepEqual([table.size, table.evicted], [50, 450])
      assert.equal(table.capacity, 50)
      assert.notEqual(table.find(keyA(record({ src: 499 }))), 0)
      const all = listed(table)
      assert.equal(all.length, 50)
      for (const { words } of all) assert.notEqual(table.find(keyA(words)), 0)
      table.close()
    })

    test('a flood of questions does not push out who is answered', () => {
      const { table } = open(256)
      const flags = replied | assured
      const idleMs = 86_390_000 // and yet it would expire before them
      for (let i = 0; i < 128; i++) table.put(record({ src: i, dst: 3, flags }), 0, idleMs)
      flood(table, 0, 3000)
      assert.equal(table.size, 256)
      for (let i = 0; i < 128; i++) assert.notEqual(table.find(keyA(record({ src: i, dst: 3 }))), 0)
      table.close()
    })

    test('what was evicted is told by the next expiry, as far as it is remembered', () => {
      const { table } = open(10)
      flood(table, 0, 10 + EVICTED_MAX + 7)
      assert.equal(table.untold, 7)
      const gone = expired(table, 1000)
      assert.equal(gone.length, EVICTED_MAX)
      for (const words of gone) assert.equal(table.find(keyA(words)), 0)
      assert.equal(new Set(gone.map(words => words[6])).size, EVICTED_MAX)
      flood(table, 1 << 20, 1)
      assert.equal(expired(table).length, 1)
      assert.equal(expired(table).length, 0)
      assert.deepEqual([table.size, table.untold], [10, 7])
      table.close()
    })

    test('C5: two who crowd cannot push out a third, whatever they open', () => {
      for (const flags of [0, replied | assured]) {
        const { table, at } = open(2000)
        at(0)
        const third = Array.from({ length: 20 }, (_, i) =>
          record({ src: i, dst: 7, flags: replied | assured, ingress: 3 })
        )
        for (const each of third) table.put(each)
        at(3_600_000) // idle for an hour
        for (let i = 0; i < 8000; i++)
          table.put(record({ src: 100 + i, flags, ingress: 1 + (i % 2) }))
        assert.equal(table.size, 2000)
        for (const each of third) assert.notEqual(table.find(keyA(each)), 0)
        assert.equal(table.heldBy(3), 20)
        assert.equal(table.heldBy(1) + table.heldBy(2), 1980)
        // And who has little gets more, in spite of those who have it all.
        for (let i = 0; i < 500; i++)
          table.put(record({ src: i, dst: 8, flags: replied | assured, ingress: 3 }))
        assert.equal(table.heldBy(3), 520)
        table.close()
      }
    })

    test('C5: how many a port holds is known, whatever becomes of them', () => {
      const { table, at } = open(100)
      at(0)
      for (let i = 0; i < 90; i++) table.put(record({ src: i, ingress: i % 3 }))
      assert.deepEqual(
        [0, 1, 2, 3].map(port => table.heldBy(port)),
        [30, 30, 30, 0]
      )
      table.put(record({ src: 0, ingress: 9 })) // merged: the larger
      table.put(record({ src: 1, ingress: 9, generation: 5 })) // replaced
      assert.deepEqual(
        [0, 1, 9].map(port => table.heldBy(port)),
        [29, 29, 2]
      )
      const id = table.find(keyA(record({ src: 2 }))) >>> 1
      table.remove(id, table.stamp(id))
      assert.equal(table.heldBy(2), 29)
      for (let port = 100; port < 3000; port++) table.put(record({ src: port, ingress: port }))
      assert.equal(table.size, 100)
      at(120_000)
      assert.equal(expired(table).length > 0, true)
      for (let port = 0; port < 3000; port++) assert.equal(table.heldBy(port), 0)
      table.close()
    })

    test('of equals the one goes that would expire first', () => {
      const { table, at } = open(4)
      at(0)
      for (let i = 0; i < 4; i++) table.put(record({ src: i }), 0, i === 2 ? 500 : i)
      table.put(record({ src: 9 }))
      assert.equal(table.find(keyA(record({ src: 2 }))), 0)
      assert.equal(table.size, 4)
      table.close()
    })
  })
