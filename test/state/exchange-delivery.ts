// The exchange's contract: records get there before a ticket is released, whatever the wire does;
// pulls, asks and tells.

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { keyHash, RecordWord } from '../../src/state/record.ts'
import type { ExchangeTest } from './exchange-contract.ts'
import { type ExchangeRig, holds, makeGood, wordsOf } from './exchange-rig.ts'
import { keyA, keyB, record } from './records.ts'

// Gives a record to these hosts and waits until its ticket is released.
async function shareWith(rig: ExchangeRig, to: readonly number[], ...records: Int32Array[]) {
  const { exchange, heard } = rig.hosts[0]!
  for (const each of records) exchange.share(each, 0, wordsOf(to.map(i => rig.hosts[i]!)))
  const ticket = exchange.flush()
  assert.notEqual(ticket, 0, 'somebody has to be waited for')
  await rig.until('the ticket is released', () => heard.tickets.has(ticket))
}

export const deliveryTests = (test: ExchangeTest): unknown =>
  describe('delivery', () => {
    test('a record is in the table of its peer when the ticket is released', 2, async rig => {
      const [a, b] = rig.hosts as [(typeof rig.hosts)[0], (typeof rig.hosts)[0]]
      const one = record({ src: 11, flags: 3, data: 77 })
      let there: boolean | undefined
      a.heard.onReleased = () => (there = holds(b, one))
      await shareWith(rig, [1], one)
      assert.equal(there, true)
      const read = new Int32Array(one.length)
      b.table.read(b.table.find(keyA(one)) >>> 1, read)
      assert.deepEqual(read, one)
      const hashes = [keyHash(one, RecordWord.a), keyHash(one, RecordWord.b)]
      await rig.until('the import is told', () => b.heard.hashes.length > 0)
      assert.deepEqual(b.heard.hashes, hashes)
      await shareWith(rig, [1], one)
      await rig.pass(20)
      assert.deepEqual(b.heard.hashes, hashes, 'what is there already is no news')
    })

    test('D1: whoever sends an older opening is answered with the younger ones', 2, async rig => {
      const [a, b] = rig.hosts as [(typeof rig.hosts)[0], (typeof rig.hosts)[0]]
      const of = (src: number, born: number) => record({ src, born, back: [src, 3, born] })
      const srcs = [1, 2, 3, 4, 5]
      for (const src of srcs) b.table.put(of(src, 7), 0, 50)
      await shareWith(rig, [1], ...srcs.map(src => of(src, 6)), of(9, 6))
      await rig.until('all have learnt', () => srcs.every(src => holds(a, of(src, 7))))
      await rig.until('it is told', () => a.heard.hashes.length >= 2 * srcs.length)
      assert.ok(srcs.every(src => holds(b, of(src, 7))))
      assert.deepEqual([a.table.find(keyB(of(1, 6))), holds(b, of(9, 6))], [0, true])
    })

    test('with nothing to say, or nobody to say it to, nobody is waited for', 2, async rig => {
      const { exchange } = rig.hosts[0]!
      assert.equal(exchange.flush(), 0)
      exchange.share(record(), 0, [])
      exchange.share(record(), 0, [12345])
      assert.equal(exchange.flush(), 0)
      await rig.pass(10)
      assert.equal(rig.hosts[1]!.table.size, 0)
    })

    test('of three peers, those that are named get it', 4, async rig => {
      const both = record({ src: 1 })
      await shareWith(rig, [1, 3], both)
      assert.deepEqual(
        rig.hosts.map(host => holds(host, both)),
        [false, true, false, true]
      )
      const all = record({ src: 2 })
      await shareWith(rig, [1, 2, 3], all)
      assert.ok(rig.hosts.slice(1).every(host => holds(host, all)))
    })

    test('more records than a message holds go with one ticket', 2, async rig => {
      const many = Array.from({ length: 100 }, (_, i) => record({ src: 1000 + i }))
      await shareWith(rig, [1], ...many)
      assert.ok(many.every(each => holds(rig.hosts[1]!, each)))
    })

    test('with every tenth message lost, all tickets are released and all records arrive', 3, rig =>
      manyOver(rig, { drop: 0.1 })
    )

    test('doubled and reordered messages do no harm', 3, rig =>
      manyOver(rig, { duplicate: 0.3, reorder: 0.5 })
    )

    test('refreshes get there by themselves, with their idle time, bulk and all', 2, async rig => {
      const [a, b] = rig.hosts
      const many = Array.from({ length: 5000 }, (_, i) => record({ src: i }))
      makeGood(a!, many, 5000) // a busy machine may end the session
      for (const each of many) a!.exchange.refresh(each, 0, 5000, [b!.word])
      await rig.until('all have arrived', () => b!.table.size === many.length)
      const idle = new Float64Array(many.length)
      b!.table.scan(0, new Int32Array(many.length * many[0]!.length), idle)
      assert.ok(
        idle.subarray(0, 10).every(ms => ms >= 5000),
        `idle for ${idle[0]} ms`
      )
    })

    test('a pull finds what one of the peers has', 3, async rig => {
      const [a, , c] = rig.hosts
      const one = record({ src: 5, data: 9 })
      c!.table.put(one)
      for (const at of [RecordWord.b, RecordWord.a]) {
        const ticket = a!.exchange.pull(one, at, wordsOf(rig.hosts.slice(1)))
        await rig.until('the pull is over', () => a!.heard.pulls.has(ticket))
        assert.equal(a!.heard.pulls.get(ticket), true)
        assert.ok(holds(a!, one))
      }
    })

    test('a pull of what nobody has ends with nothing', 3, async rig => {
      const [a, b, c] = rig.hosts
      const ticket = a!.exchange.pull(record({ src: 5 }), 0, [b!.word, c!.word])
      await rig.until('the pull is over', () => a!.heard.pulls.has(ticket))
      assert.equal(a!.heard.pulls.get(ticket), false)
      assert.equal(a!.exchange.pull(record(), 0, []), 0)
      assert.equal(a!.exchange.pull(record(), 0, [12345]), 0)
    })

    test('an ask arrives, once, with all its ports', 2, async rig => {
      const [a, b] = rig.hosts
      const ports = Array.from({ length: 500 }, (_, i) => i + 1)
      rig.faults({ drop: 0.3 })
      a!.exchange.ask(b!.word, ports)
      const heard = () => b!.heard.asks.flatMap(([, some]) => some)
      await rig.until('all were asked for', () => heard().length >= ports.length)
      rig.faults({})
      await rig.pass(1000)
      assert.deepEqual(
        heard().sort((x, y) => x - y),
        ports
      )
      assert.ok(b!.heard.asks.every(([word]) => word === a!.word))
    })

    test('tells arrive once each, though acknowledgements get lost', 2, async rig => {
      const [a, b] = rig.hosts
      rig.faults({ drop: 0.3, duplicate: 0.2, reorder: 0.3 })
      const all = Array.from({ length: 40 }, (_, i) => `tell ${i}`)
      for (const text of all) a!.exchange.tell(b!.word, Buffer.from(text))
      await rig.until('all were told', () => b!.heard.tells.length >= all.length)
      rig.faults({})
      await rig.pass(1000)
      assert.deepEqual(b!.heard.tells.map(([, text]) => text).sort(), all.sort())
      assert.ok(b!.heard.tells.every(([word]) => word === a!.word))
    })
  })

const FLUSHES = 300
const OF_EACH = 3

async function manyOver(rig: ExchangeRig, faults: Parameters<ExchangeRig['faults']>[0]) {
  const [a, ...others] = rig.hosts
  rig.faults(faults)
  const records: Int32Array[] = []
  makeGood(a!, records) // with luck, ten in a row are lost
  const tickets: number[] = []
  for (let i = 0; i < FLUSHES; i++) {
    for (let j = 0; j < OF_EACH; j++) {
      const one = record({ src: records.length })
      records.push(one)
      a!.exchange.share(one, 0, wordsOf(others))
    }
    tickets.push(a!.exchange.flush())
    if (i % 20 === 0) await rig.pass(1)
  }
  const waited = tickets.filter(ticket => ticket !== 0)
  await rig.until('all tickets are released', () => waited.every(t => a!.heard.tickets.has(t)))
  await rig.until('all records are everywhere', () =>
    others.every(host => records.every(each => holds(host, each)))
  )
  assert.equal(a!.heard.tickets.size, waited.length)
}
