// What every state table does.  Each implementation brings its own way to open one whose clock the
// test moves.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { RECORD_WORDS, RecordWord, StateFlag } from '../../src/state/record.ts'
import { Put } from '../../src/state/table.ts'
import { casesOf } from '../cases.ts'
import { Kind, TIMEOUTS } from './kinds.ts'
import { anyRecord, ICMP, keyA, keyB, record, UDP } from './records.ts'
import { crowding } from './table-crowding.ts'
import { expired, flagsOf, listed, type Open } from './table-reading.ts'
import { modelRuns } from './table-runs.ts'
import { timeoutsContract } from './table-timeouts.ts'

const { assured, finA, finB, replied, reset } = StateFlag
const FIN = 1
const SYN = 2
const RST = 4
const ACK = 16

const finding = (open: Open): unknown =>
  describe('finding', () => {
    test('a record is found by both keys, and nothing by others', () => {
      const { table } = open(10)
      const one = record({ kind: Kind.snat, back: [2, 9, 5] })
      assert.equal(table.find(keyA(one)), 0)
      assert.equal(table.put(one), Put.added)
      const id = table.lastId
      assert.equal(table.find(keyA(one)), id << 1)
      assert.equal(table.find(keyB(one)), (id << 1) | 1)
      assert.equal(table.find(keyA(record({ src: 3 }))), 0)
      assert.equal(table.find(new Int32Array(12)), 0)
      const into = new Int32Array(RECORD_WORDS + 3)
      assert.ok(table.read(id, into, 3))
      assert.deepEqual(into.subarray(3), one)
      assert.equal(table.read(id + 1, into), false)
      assert.equal(table.read(0, into), false)
      assert.equal(table.stamp(id + 1), 0)
      assert.deepEqual([table.size, table.count(Kind.snat), table.count(Kind.dnat)], [1, 1, 0])
      table.close()
    })

    test('keys and records are taken from the middle of an array', () => {
      const { table } = open(10)
      const words = new Int32Array(RECORD_WORDS + 5)
      words.set(record(), 5)
      assert.equal(table.put(words, 5), Put.added)
      assert.equal(table.find(words, 5 + RecordWord.b), (table.lastId << 1) | 1)
      table.close()
    })

    test('of records whose answers look the same, the last is found', () => {
      const { table } = open(10)
      const back = [9, 9, 9] as const
      const first = record({ src: 1, back })
      const second = record({ src: 2, back })
      table.put(first)
      const id = table.lastId
      table.put(second)
      assert.equal(table.find(keyB(first)), (table.lastId << 1) | 1)
      assert.ok(table.remove(table.lastId, table.stamp(table.lastId)))
      assert.equal(table.find(keyB(first)), (id << 1) | 1)
      table.close()
    })

    test('who talks to itself is found as who opened', () => {
      const { table } = open(10)
      const self = record({ src: 4, dst: 4, ports: (7 << 16) | 7 })
      assert.deepEqual(keyA(self), keyB(self))
      table.put(self)
      assert.equal(table.find(keyA(self)), table.lastId << 1)
      assert.ok(table.remove(table.lastId, table.stamp(table.lastId)))
      assert.equal(table.find(keyA(self)), 0)
      table.close()
    })

    test('closed, it is empty and takes nothing', () => {
      const { table } = open(10)
      const one = record()
      table.put(one)
      const { lastId: id } = table
      const stamp = table.stamp(id)
      table.close()
      const into = new Int32Array(RECORD_WORDS)
      assert.deepEqual([table.put(one), table.lastId], [Put.refused, 0])
      assert.deepEqual([table.find(one), table.stamp(id), table.read(id, into)], [0, 0, false])
      assert.deepEqual([table.note(id << 1, stamp, 0, 0), table.remove(id, stamp)], [false, false])
      assert.deepEqual([table.expire(into, 9), table.size, table.count(1)], [0, 0, 0])
      assert.deepEqual([table.scan(1, into, new Float64Array(1)), table.next], [0, 0])
      table.close()
    })

    test('a kind that is none is refused', () => {
      const { table } = open(10)
      for (const kind of [0, 16, 0xffff]) assert.equal(table.put(record({ kind })), Put.refused)
      assert.deepEqual([table.lastId, table.size], [0, 0])
      table.close()
    })
  })

const meeting = (open: Open): unknown =>
  describe('meeting', () => {
    test('the same record again merges flags', () => {
      const { table } = open(10)
      table.put(record({ flags: replied }))
      assert.equal(table.put(record({ flags: finA })), Put.merged)
      assert.equal(flagsOf(table, table.lastId), replied | finA)
      assert.equal(table.size, 1)
      table.close()
    })

    test('of twins what is known stands, in any order', () => {
      const twins = [
        record({ ingress: 5, data: -1 }),
        record({ timeoutS: 9, data: 3 }),
        record({ ingress: 2, data: -1, timeoutS: 8 })
      ]
      for (const order of [
        [0, 1, 2],
        [2, 1, 0],
        [1, 2, 0]
      ]) {
        const { table } = open(10)
        for (const i of order) table.put(twins[i]!)
        assert.deepEqual(listed(table)[0]!.words, record({ ingress: 5, timeoutS: 9, data: -1 }))
        table.close()
      }
    })

    test('within a second the later generation replaces, an earlier one is refused', () => {
      const { table } = open(10)
      const next = record({ generation: 2, back: [3, 3, 3] })
      table.put(record({ generation: 1, flags: reset }))
      const before = table.lastId
      assert.equal(table.put(next), Put.replaced)
      assert.equal(flagsOf(table, table.lastId), 0)
      assert.equal(table.find(keyB(record())), 0)
      assert.equal(table.find(keyB(next)), (table.lastId << 1) | 1)
      assert.equal(table.put(record({ generation: 1 })), Put.refused)
      assert.deepEqual([table.lastId, table.size], [before, 1])
      table.close()
    })

    test('D1: the younger opening stands, then the greater owner, then the greater answer', () => {
      const { table } = open(10)
      const back = (port: number) => [1, 1, port] as const
      table.put(record({ born: 5, generation: 9, owner: 3, back: back(4) }))
      assert.equal(table.put(record({ born: 4, generation: 10, back: back(5) })), Put.refused)
      assert.equal(table.put(record({ born: 0, owner: -1, back: back(5) })), Put.refused)
      assert.equal(table.put(record({ born: 5, generation: 8, owner: -1 })), Put.refused)
      const same = { born: 5, generation: 9 }
      assert.equal(table.put(record({ ...same, owner: 2, back: back(5) })), Put.refused)
      assert.equal(table.put(record({ ...same, owner: 3, back: back(3) })), Put.refused)
      assert.equal(table.put(record({ ...same, owner: 3, back: back(5) })), Put.replaced)
      assert.equal(table.put(record({ ...same, owner: -1, back: back(1) })), Put.replaced)
      assert.equal(table.put(record({ born: -1, back: back(1) })), Put.replaced)
      table.close()
    })

    test('D1: what is opened anew between the same ends inherits no flags', () => {
      const { table } = open(10)
      table.put(record({ born: 5, flags: StateFlag.replied | reset }))
      assert.equal(table.put(record({ born: 6, flags: 0 })), Put.replaced)
      assert.equal(table.put(record({ born: 5, flags: StateFlag.finA })), Put.refused)
      assert.equal(flagsOf(table, table.lastId), 0)
      table.close()
    })

    test('any order of the same records ends with the same winner', () => {
      const key = { kind: Kind.snat, protocol: UDP, src: 1, dst: 1, ports: 1 }
      const rival = anyRecord.map(words => {
        const same = words.slice()
        same.set(keyA(record(key)))
        if (same[RecordWord.b] !== 0) same[RecordWord.b] = same[0]!
        return same
      })
      const property = (records: Int32Array[], shuffled: Int32Array[]): void => {
        const [a, b] = [records, shuffled].map(order => {
          const { table } = open(10)
          for (const each of order) table.put(each)
          const all = listed(table)
          table.close()
          assert.equal(all.length, 1)
          return all[0]!.words
        })
        assert.deepEqual(a, b)
      }
      const orders = fc
        .array(rival, { minLength: 1, maxLength: 6 })
        .chain(all =>
          fc.tuple(
            fc.constant(all),
            fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })
          )
        )
      fc.assert(
        fc.property(orders, ([a, b]) => property(a, b)),
        { numRuns: casesOf(500) }
      )
    })
  })

const tenants = (open: Open): unknown =>
  describe('tenants', () => {
    test('a stamp is of one tenant of its slot', () => {
      const { table, at } = open(1)
      at(0)
      table.put(record({ protocol: UDP }))
      const id = table.lastId
      const old = table.stamp(id)
      assert.notEqual(old, 0)
      assert.ok(table.remove(id, old))
      assert.equal(table.stamp(id), 0)
      assert.equal(table.remove(id, old), false)
      assert.equal(table.remove(id, 0), false)
      assert.equal(table.note(id << 1, 0, 0, 0), false)
      table.put(record({ protocol: UDP, src: 5 }))
      assert.equal(table.lastId, id)
      assert.notEqual(table.stamp(id), old)
      at(TIMEOUTS.udpOneWayS * 1000)
      assert.equal(table.note((id << 1) | 1, old, 0, 0), false)
      assert.equal(table.remove(id, old), false)
      assert.equal(flagsOf(table, id), 0)
      assert.equal(expired(table).length, 1, 'an old stamp lengthened the life of another')
      table.close()
    })

    test('who merges keeps the stamp, who replaces has another', () => {
      const { table } = open(10)
      table.put(record())
      const id = table.lastId
      const first = table.stamp(id)
      table.put(record({ flags: replied }))
      assert.equal(table.stamp(id), first)
      table.put(record({ generation: 1 }))
      assert.equal(table.lastId, id)
      assert.notEqual(table.stamp(id), first)
      assert.equal(table.note(id << 1, first, RST, 0), false)
      assert.equal(flagsOf(table, id), 0)
      table.close()
    })
  })

const noting = (open: Open): unknown =>
  describe('noting', () => {
    const steps: Array<[string, boolean, number, number]> = [
      ['SYN again', false, SYN, 0],
      ['its answer', true, SYN | ACK, replied],
      ['the SYN once more', false, SYN, replied],
      ['an ACK', false, ACK, replied | assured],
      ['data back', true, ACK, replied | assured],
      ['FIN of the answerer', true, FIN | ACK, replied | assured | finB],
      ['FIN of the opener', false, FIN | ACK, replied | assured | finA | finB],
      ['a late ACK', true, ACK, replied | assured | finA | finB],
      ['RST', false, RST, replied | assured | finA | finB | reset],
      ['a late SYN and ACK', true, SYN | ACK, replied | assured | finA | finB | reset]
    ]
    test('TCP flags go into the record by direction', () => {
      const { table } = open(10)
      table.put(record())
      const { lastId: id } = table
      let before = 0
      for (const [what, isReturn, tcp, flags] of steps) {
        const handle = (id << 1) | (isReturn ? 1 : 0)
        assert.equal(table.note(handle, table.stamp(id), tcp, 0), flags !== before, what)
        assert.equal(flagsOf(table, id), flags, what)
        before = flags
      }
      table.close()
    })

    test('other protocols are answered, and answered again', () => {
      const { table } = open(10)
      for (const protocol of [UDP, ICMP]) {
        table.put(record({ protocol }))
        const { lastId: id } = table
        const note = (side: number): boolean =>
          table.note((id << 1) | side, table.stamp(id), 255, 0)
        assert.deepEqual([note(0), flagsOf(table, id)], [false, 0])
        assert.deepEqual([note(1), flagsOf(table, id)], [true, replied])
        assert.deepEqual([note(0), flagsOf(table, id)], [true, replied | assured])
        assert.deepEqual([note(0), flagsOf(table, id)], [false, replied | assured])
      }
      table.close()
    })
  })

const scanning = (open: Open): unknown =>
  describe('scanning', () => {
    test('a scan tells every record and how long it has been idle', () => {
      const { table, at } = open(1000)
      at(10_000)
      for (let i = 0; i < 100; i++) table.put(record({ src: i }), 0, i)
      for (let i = 0; i < 100; i += 2) {
        const id = table.find(keyA(record({ src: i }))) >>> 1
        table.remove(id, table.stamp(id))
      }
      at(11_000)
      for (const room of [1, 7, 50, 200]) {
        const all = listed(table, room)
        const idle = new Map(all.map(each => [each.words[6], each.idle]))
        assert.equal(all.length, 50)
        for (let i = 1; i < 100; i += 2) assert.equal(idle.get(i), 1000 + i)
      }
      table.close()
      assert.equal(table.size, 0)
    })
  })

export function tableContract(name: string, open: Open): void {
  describe(name, () => {
    finding(open)
    meeting(open)
    tenants(open)
    noting(open)
    timeoutsContract(open)
    crowding(open)
    scanning(open)
    test('does what the model does', () => modelRuns(open))
  })
}
