// The exchange's contract: whatever is not a message of a peer, of now, for the first time, is
// refused, counted by its reason, and without effect.

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import {
  headerOf,
  MessageType,
  type Refusal,
  refusals,
  seal,
  sealKey
} from '../../src/state/exchange/message.ts'
import type { ExchangeTest } from './exchange-contract.ts'
import { type ExchangeRig, type Host, holds, KEY, OTHER_KEY } from './exchange-rig.ts'
import { record } from './records.ts'

const countsOf = ({ exchange }: Host): Record<Refusal, number> => {
  const counters = exchange.counters()
  return Object.fromEntries(refusals.map(r => [r, counters[`refused-${r}`]])) as never
}

const isState = (message: Uint8Array): boolean => headerOf(message).type === MessageType.state

// Two hosts after one has sent a record to the other, and that message.
async function afterOne(rig: ExchangeRig): Promise<[Host, Host, Uint8Array]> {
  const [a, b] = rig.hosts as [Host, Host]
  a.exchange.share(record({ src: 1 }), 0, [b.word])
  a.exchange.flush()
  await rig.until('the record has arrived', () => holds(b, record({ src: 1 })))
  return [a, b, rig.sent(0, 1).findLast(isState)!]
}

async function refused(rig: ExchangeRig, reason: Refusal, from: number, message: Uint8Array) {
  const b = rig.hosts[1]!
  const before = countsOf(b)
  rig.inject(from, 1, message)
  await rig.until(`it is refused: ${reason}`, () => countsOf(b)[reason] > before[reason])
  assert.deepEqual(countsOf(b), { ...before, [reason]: before[reason] + 1 })
}

export const refusalTests = (test: ExchangeTest): unknown =>
  describe('refusals', () => {
    test('spoilt and strange messages are refused, each by its name', 3, async rig => {
      const [a, b, good] = await afterOne(rig)
      const { size } = b.table
      const withByte = (at: number, value: number) =>
        good.map((byte, i) => (i === at ? value : byte))
      const cut = (length: number) => refused(rig, 'short', a.address, good.slice(0, length))
      for (const length of [1, 39, 55, good.length - 1]) await cut(length)
      await refused(rig, 'short', a.address, Uint8Array.of(...good, 0))
      await refused(rig, 'version', a.address, withByte(0, 0))
      await refused(rig, 'version', a.address, withByte(2, 2))
      await refused(rig, 'version', a.address, withByte(3, 0x77))
      await refused(rig, 'stranger', a.address + 100, good)
      await refused(rig, 'stranger', rig.hosts[2]!.address, good)
      await refused(rig, 'stranger', a.address, withByte(8, good[8]! ^ 1))
      await refused(rig, 'stranger', a.address, withByte(15, good[15]! ^ 1))
      for (const at of [4, 5])
        await refused(rig, 'kinds', a.address, withByte(at, good[at]! ^ 0x10))
      for (const at of [16, 31, 39, 40, 50, good.length - 1])
        await refused(rig, 'forged', a.address, withByte(at, good[at]! ^ 0x10))
      await refused(
        rig,
        'forged',
        a.address,
        seal(sealKey(OTHER_KEY), headerOf(good), Uint8Array.of(0))
      )
      await refused(rig, 'replayed', a.address, good)
      assert.equal(b.table.size, size)
    })

    test('a message that was captured has its effect once', 2, async rig => {
      const [a, b] = await afterOne(rig)
      a.exchange.tell(b.word, Buffer.from('once'))
      await rig.until('it is told', () => b.heard.tells.length > 0)
      const captured = [...rig.sent(0, 1)]
      const before = countsOf(b)
      for (const message of captured) rig.inject(a.address, 1, message)
      await rig.until('they are refused', () => countsOf(b).replayed > before.replayed)
      await rig.pass(100)
      assert.deepEqual(b.heard.tells, [[a.word, 'once']])
    })

    test('a message for one host is none for another, and none for its sender', 3, async rig => {
      const [a, b, good] = await afterOne(rig)
      const c = rig.hosts[2]!
      const before = [countsOf(a).stranger, countsOf(c).stranger] as const
      rig.inject(a.address, 2, good)
      rig.inject(b.address, 0, good)
      await rig.until(
        'both refuse it',
        () => countsOf(a).stranger > before[0] && countsOf(c).stranger > before[1]
      )
      assert.ok(!holds(c, record({ src: 1 })))
    })

    test('a good tag around a body that does not parse: nothing of it is taken', 2, async rig => {
      const [a, , good] = await afterOne(rig)
      const { own, theirs, sequence, sender, receiver } = headerOf(good)
      const entry = good.slice(44, -16)
      entry[47] = 99 // another source
      let next = sequence + 1000
      for (const [type, body] of [
        [MessageType.state, [0, 0, 0, 0, ...entry, 1]],
        [MessageType.state, [0, 0, 0, 0, ...entry, 0, ...entry.slice(1)]],
        [MessageType.refresh, [0, 0, 0]],
        [MessageType.heartbeat, [1]],
        [MessageType.heartbeatAnswer, [1, 2]],
        [MessageType.acknowledgement, []],
        [MessageType.acknowledgement, [1, 2, 3]],
        [MessageType.pull, [0, 0, 0, 1, 1, 4, 6]],
        [MessageType.pull, [0, 0, 0, 1, 0, ...entry.slice(1, 28)]],
        [MessageType.ask, [0, 0, 0, 1, 9]],
        [MessageType.tell, [0]]
      ] as const) {
        const header = { type, own, theirs, sender, receiver, sequence: ++next }
        await refused(rig, 'short', a.address, seal(sealKey(KEY), header, Uint8Array.from(body)))
      }
      assert.equal(rig.hosts[1]!.table.size, 1)
      assert.deepEqual([rig.hosts[1]!.heard.asks, rig.hosts[1]!.heard.tells], [[], []])
    })

    test('whoever is flooded with rubbish goes on with its peers', 2, async rig => {
      const [a, b, good] = await afterOne(rig)
      for (let i = 0; i < 200; i++) {
        rig.inject(a.address, 1, good)
        const at = 2 + (i % (good.length - 2))
        rig.inject(
          a.address,
          1,
          good.map((byte, j) => (j === at ? byte ^ 0x80 : byte))
        )
      }
      a.exchange.share(record({ src: 2 }), 0, [b.word])
      const ticket = a.exchange.flush()
      await rig.until('the ticket is released', () => a.heard.tickets.has(ticket))
      assert.ok(holds(b, record({ src: 2 })))
    })
  })
