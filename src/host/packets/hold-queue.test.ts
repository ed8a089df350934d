// Packets leave in the order they came, when the ticket of their burst is released.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import { ActionList } from '../../flow/actions.ts'
import type { Flow } from '../flows/flow-cache.ts'
import { type HeldPacket, HoldQueue } from './hold-queue.ts'

function open() {
  const counters = new CounterTable()
  const queue = new HoldQueue(counters, new VirtualClock())
  const packet = (n: number, of: { flow?: Flow; group?: string; bytes?: number } = {}) => {
    const frame = new Uint8Array(of.bytes ?? 60).fill(n, 0, 1)
    const waiting = { frame, key: new Int32Array(20), ifindex: 1, reason: 0, gsoSize: 0 }
    const held = { waiting: { ...waiting, port: '', deadline: 0 }, actions: new ActionList(1) }
    return { ...held, id: 0, flow: of.flow, group: of.group ?? '' }
  }
  const names = (packets: readonly HeldPacket[]): number[] =>
    packets.map(({ waiting }) => waiting.frame[0]!)
  return { counters, queue, packet, names }
}

test('a burst that nobody has to hear of leaves at once', () => {
  const { queue, packet, names } = open()
  queue.hold(packet(1))
  queue.hold(packet(2))
  assert.deepEqual(names(queue.close(0)), [1, 2])
  assert.equal(queue.size, 0)
})

test('bursts wait for their own tickets', () => {
  const { queue, packet, names } = open()
  queue.hold(packet(1))
  assert.deepEqual(names(queue.close(7)), [])
  queue.hold(packet(2))
  assert.deepEqual(names(queue.close(8)), [])
  assert.deepEqual(names(queue.released(8)), [2])
  assert.deepEqual(names(queue.released(8)), [])
  assert.deepEqual(names(queue.released(7)), [1])
})

test('later packets of a held flow, and later fragments, wait behind the first', () => {
  const { queue, packet, names } = open()
  const flow = { waiting: null } as unknown as Flow
  queue.hold(packet(1, { flow, group: 'g' }))
  queue.close(7)
  queue.hold(packet(2, { flow }))
  assert.equal(queue.holds('g'), true)
  queue.follow(packet(3, { group: 'g' }))
  assert.deepEqual(names(queue.close(8)), [])
  assert.deepEqual(names(queue.released(7)), [1, 2, 3])
  assert.deepEqual([queue.holds('g'), flow.waiting, queue.size], [false, null, 0])
})

test('what there is no room for is a counted drop', () => {
  const { counters, queue, packet, names } = open()
  for (let i = 0; i < 513; i++) queue.hold(packet(1, { bytes: 64 << 10 }))
  assert.equal(queue.size, 512)
  assert.equal(counters.value('drop.state.hold-full'), 1)
  assert.equal(names(queue.close(0)).length, 512)
  queue.hold(packet(2))
  assert.deepEqual(names(queue.close(0)), [2])
})
