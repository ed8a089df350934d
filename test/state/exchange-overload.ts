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
const OPENS_PER_S = 500
const OPENS_MS = 10_000
const TICK_MS = 10

// Opens connections at a steady pace, each with a packet that waits for the peer, which is slow.
// Gives those that found room, and how many packets left before the peer held their state.
async function openSteadily(rig: ExchangeRig) {
  const [a, b] = rig.hosts as [(typeof rig.hosts)[0], (typeof rig.hosts)[0]]
  const opened: Int32Array[] = []
  const waiting = new Map<number, Int32Array>() // by ticket
  let early = 0
  let refused = 0
  const leaves = (one: Int32Array): void => {
    if (!holds(b, one)) early++
  }
  a.heard.onReleased = ticket => leaves(waiting.get(ticket)!)
  for (let ms = 0; ms < OPENS_MS; ms += TICK_MS) {
    for (let i = 0; i < (OPENS_PER_S * TICK_MS) / 1000; i++) {
      if (a.exchange.room([b.word]) !== Room.open) refused++
      else {
        const one = record({ src: opened.length })
        opened.push(one)
        a.exchange.share(one, 0, [b.word])
        const ticket = a.exchange.flush()
        if (ticket === 0) leaves(one)
        else waiting.set(ticket, one)
      }
    }
    await rig.pass(TICK_MS)
  }
  return { opened, early, refused }
}

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

    test('D3: a peer that acknowledges a tenth of what opens has all afterwards', 2, async rig => {
      const [a, b] = rig.hosts as [(typeof rig.hosts)[0], (typeof rig.hosts)[0]]
      const signs = a.heard.signs.length
      rig.faults({ acknowledgedPerS: OPENS_PER_S / 10 })
      const { opened, early, refused } = await openSteadily(rig)
      const counts = a.exchange.counters()
      assert.ok(refused + counts.overflowed! + counts['bound-passed']! > 0, 'it was overloaded')
      // A busy machine may have ended the session: then nobody is waited for.
      const byName = counts['bound-passed']! + counts['passed-over']! + (counts['hold-full'] ?? 0)
      if (a.heard.signs.length === signs)
        assert.ok(early <= byName, `${early} left before their state, ${byName} by name`)
      makeGood(a, opened)
      for (const each of opened) a.exchange.refresh(each, 0, 0, [b.word])
      rig.faults({})
      await rig.until('it has all', holdsAll(b, opened))
      await rig.until('no more is owed', () => a.exchange.backlog(b.word) === 0)
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
