// The exchange's contract: a peer that acknowledges too slowly.  Nothing is lost in silence: state
// for packets has its place or the packet must not leave, and a peer that something was left out
// for is made good once it has caught up.

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { Room } from '../../src/state/exchange/exchange.ts'
import type { ExchangeTest } from './exchange-contract.ts'
import { type ExchangeRig, holds, holdsAll, makeGood } from './exchange-rig.ts'
import { record } from './records.ts'

const AT_ONCE = 500
const RECORDS_MAX = 20_000 // of a machine that is too slow to fill the way to a peer
const KNOWN = 5000
const ROUNDS_MAX = 60

// Shares records, each as if a packet waited for it, until there is no room: those that were.
async function fill(rig: ExchangeRig): Promise<Int32Array[]> {
  const [a, b] = rig.hosts as [(typeof rig.hosts)[0], (typeof rig.hosts)[0]]
  const shared: Int32Array[] = []
  while (shared.length < RECORDS_MAX) {
    await rig.until('it takes state', () => a.exchange.isReady(b.word))
    for (let i = 0; i < AT_ONCE; i++) {
      const room = a.exchange.room([b.word])
      if (room === Room.full) return shared
      if (room === Room.nobody) break
      const one = record({ src: shared.length })
      a.exchange.share(one, 0, [b.word])
      a.exchange.flush()
      shared.push(one)
    }
    await rig.pass(1)
  }
  return shared
}

export const overloadTests = (test: ExchangeTest): unknown =>
  describe('overload', () => {
    test('D3: room is nobody, open, full, and open again', 3, async rig => {
      const [a, b, c] = rig.hosts
      assert.equal(a!.exchange.room([]), Room.nobody)
      assert.equal(a!.exchange.room([12345]), Room.nobody)
      assert.equal(a!.exchange.room([b!.word, c!.word, 12345]), Room.open)
      rig.faults({ unacknowledged: 1 })
      const shared = await fill(rig)
      if (shared.length < RECORDS_MAX) assert.equal(a!.exchange.room([c!.word, b!.word]), Room.full)
      assert.notEqual(a!.exchange.room([c!.word]), Room.full, 'others have room')
      rig.faults({})
      await rig.until('room', () => a!.exchange.room([b!.word]) === Room.open)
    })

    test('D3: what room was found for goes out at once, and is made good', 2, async rig => {
      const [a, b] = rig.hosts as [(typeof rig.hosts)[0], (typeof rig.hosts)[0]]
      const { queued } = a.exchange.counters()
      const signs = a.heard.signs.length
      rig.faults({ unacknowledged: 1 })
      const shared = await fill(rig)
      if (a.heard.signs.length === signs)
        assert.equal(a.exchange.counters().queued, queued, 'none waits its turn')
      // A busy machine may have ended the session, and then it is given everything anyway.
      const isOver = (): boolean => a.heard.signs.length > signs
      await rig.until('some are given up', () => a.exchange.counters()['given-up']! > 0 || isOver())
      if (!isOver()) assert.ok(a.exchange.counters().overflowed! > 0)
      makeGood(a, shared)
      rig.faults({})
      await rig.until('it has all', holdsAll(b, shared))
      await rig.until('no more is owed', () => {
        return a.exchange.backlog(b.word) === 0
      })
      // several times may be told at once
      assert.ok(a.heard.debts.length <= a.exchange.counters().owed!)
    })

    test('D3: refreshes that find no room are owed', 2, async rig => {
      const [a, b] = rig.hosts as [(typeof rig.hosts)[0], (typeof rig.hosts)[0]]
      const known = Array.from({ length: KNOWN }, (_, i) => record({ src: i }))
      const full = () => a.exchange.counters()['queue-full']!
      const signs = a.heard.signs.length
      rig.faults({ unacknowledged: 1 })
      for (let round = 0; round < ROUNDS_MAX && full() === 0; round++) {
        for (const each of known) a.exchange.refresh(each, 0, 0, [b.word])
        await rig.pass(0)
      }
      assert.ok(full() > 0, 'no room is counted')
      // a busy machine may have ended the session, and then it is given everything anyway
      if (a.heard.signs.length === signs) assert.ok(a.exchange.counters().overflowed! > 0)
      const late = record({ src: KNOWN })
      a.exchange.refresh(late, 0, 0, [b.word])
      makeGood(a, [late])
      rig.faults({})
      await rig.until('it is made good', () => holds(b, late))
    })
  })
