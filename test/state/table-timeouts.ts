// How long a record lives, by protocol and flags, to the millisecond; part of the contract of the
// state tables.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RECORD_WORDS, StateFlag } from '../../src/state/record.ts'
import { Put, type StateTable } from '../../src/state/table.ts'
import { timeoutOf } from '../../src/state/timeouts.ts'
import { Kind, TIMEOUTS } from './kinds.ts'
import { GRE, ICMP, ICMPV6, type Parts, record, TCP, UDP } from './records.ts'
import { expired, flagsOf, type Open } from './table-reading.ts'

const { assured, finA, finB, replied, reset } = StateFlag
const FIN = 1
const RST = 4
const ACK = 16
const START = 5_000_000

const known: Array<[string, Parts, number]> = [
  ['a TCP handshake', { flags: replied }, 60],
  ['an idle SSH session', { flags: replied | assured }, 86_400],
  ['a TCP connection half closed', { flags: replied | assured | finB }, 3600],
  ['a TCP connection closed', { flags: replied | assured | finA | finB }, 60],
  ['a TCP connection reset', { flags: replied | assured | finA | finB | reset }, 10],
  ['a UDP question', { protocol: UDP }, 30],
  ['a UDP conversation', { protocol: UDP, flags: replied }, 180],
  ['an echo', { protocol: ICMP, flags: replied }, 30],
  ['an echo in IPv6', { protocol: ICMPV6 }, 30],
  ['GRE', { protocol: GRE }, 600],
  ['stickiness', { kind: Kind.sticky, protocol: TCP, back: 'none' }, 1800],
  ['a time of its own', { timeoutS: 7, flags: reset }, 7],
  ['a very long time of its own', { timeoutS: -1 }, 0xffffffff]
]

export const timeoutsContract = (open: Open): unknown =>
  describe('lifetimes', () => {
    for (const [what, parts, seconds] of known)
      test(`${what} lives ${seconds} s`, () => {
        const { table, at } = open(10)
        at(START)
        table.put(record(parts))
        livesUntil(table, at, START + seconds * 1000)
        table.close()
      })

    test('every combination lives as long as lifetimeOf says', () => allLives(open))

    test('what is noted lengthens life, from when it was', () => {
      const { table, at } = open(10)
      at(START)
      table.put(record({ protocol: UDP }))
      const { lastId: id } = table
      at(START + 29_000)
      table.note(id << 1, table.stamp(id), 0, 4000)
      table.note(id << 1, table.stamp(id), 0, 20_000) // tells nothing new
      livesUntil(table, at, START + 55_000)
      table.close()
    })

    test('a record put again, or idle already, lives from its last use', () => {
      const { table, at } = open(10)
      at(START)
      table.put(record({ protocol: UDP }), 0, 12_000)
      table.put(record({ protocol: UDP }), 0, 10_000)
      table.put(record({ protocol: UDP }), 0, 11_000)
      livesUntil(table, at, START + 20_000)
      assert.equal(table.put(record({ protocol: UDP }), 0, 60_000), Put.added)
      assert.equal(expired(table).length, 1)
      table.close()
    })

    test('RST and FIN shorten life at once; a late ACK does not lengthen it again', () => {
      const { table, at } = open(10)
      at(START)
      for (const [src, tcp] of [RST, FIN].entries()) {
        table.put(record({ src, flags: replied | assured | (tcp === FIN ? finA : 0) }))
        const { lastId: id } = table
        assert.ok(table.note((id << 1) | 1, table.stamp(id), tcp, 0))
        const over = flagsOf(table, id)
        table.note(id << 1, table.stamp(id), ACK, 0)
        assert.equal(flagsOf(table, id), over)
      }
      at(START + 9_999)
      assert.equal(expired(table).length, 0)
      at(START + 10_000)
      assert.equal(expired(table).length, 1)
      livesUntil(table, at, START + 60_000)
      table.close()
    })

    test('what was left behind when there was no more room goes the next time', () =>
      cutShort(open))

    test('at most as many go as there is room for', () => {
      const { table, at } = open(100)
      at(START)
      for (let src = 0; src < 20; src++) table.put(record({ src }))
      at(START + 60_000)
      const into = new Int32Array(50 * RECORD_WORDS)
      const room = into.subarray(0, 4 * RECORD_WORDS)
      assert.deepEqual([table.expire(into, 3), table.size], [3, 17])
      assert.deepEqual([table.expire(room, 50), table.size], [4, 13])
      assert.deepEqual([table.expire(into, 50), table.size], [13, 0])
      assert.equal(table.expire(into, 50), 0)
      table.close()
    })
  })

function cutShort(open: Open): void {
  const { table, at } = open(100)
  const into = new Int32Array(4 * RECORD_WORDS)
  at(START + 10)
  table.put(record({ src: 1 }), 0, 10)
  table.put(record({ src: 2 }), 0, 0) // looked at before the other, too early
  at(START + 60_000)
  assert.equal(table.expire(into, 1), 1)
  at(START + 60_010)
  assert.equal(table.expire(into, 4), 1)
  at(START + 70_010)
  for (let src = 0; src < 60; src++) table.put(record({ src }), 0, src)
  let gone = 0
  for (let passed = 59_930; passed <= 60_000; passed += 7) {
    at(START + 70_010 + passed)
    gone += table.expire(into, 1) + table.expire(into, 1)
    assert.ok(gone <= Math.max(0, passed - 59_940), 'one went too early')
  }
  assert.equal(gone + expired(table).length, 60)
  table.close()
}

function livesUntil(table: StateTable, at: (ms: number) => void, end: number): void {
  const { size } = table
  at(end - 1)
  assert.equal(expired(table).length, 0, 'it went too early')
  assert.equal(table.size, size)
  at(end)
  assert.equal(expired(table).length, size, 'it lived too long')
  assert.equal(table.size, 0)
}

function allLives(open: Open): void {
  const { table, at } = open(1000)
  at(START)
  const ends = new Map<number, number>()
  for (const kind of Object.values(Kind))
    for (const protocol of [0, TCP, UDP, ICMP, ICMPV6, GRE, 255])
      for (let flags = 0; flags < 32; flags++) {
        const one = record({ kind, protocol, flags, src: flags })
        const end = START + timeoutOf(TIMEOUTS, one) * 1000
        assert.equal(table.put(one), Put.added)
        ends.set(end, (ends.get(end) ?? 0) + 1)
      }
  for (const [end, n] of [...ends].sort(([a], [b]) => a - b)) {
    at(end - 1)
    assert.equal(expired(table).length, 0, `${end}`)
    at(end)
    assert.equal(expired(table).length, n, `${end}`)
  }
  assert.equal(table.size, 0)
}
