// The waiting room's bounds: in number, by cause, and in time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CounterTable } from '../../core/counters.ts'
import { type WaitingPacket, WaitingRoom } from './waiting-room.ts'

const packet = (ifindex = 1): WaitingPacket => ({
  ...{ frame: new Uint8Array(14), key: new Int32Array(20), ifindex, reason: 0 },
  ...{ gsoSize: 0, port: '', deadline: 0 }
})

function open() {
  const counters = new CounterTable()
  return { room: new WaitingRoom(counters), drops: (why: string) => counters.value(why) }
}

test('those who waited for the same are woken together, once, in the order they came', () => {
  const { room } = open()
  for (let n = 1; n <= 3; n++) room.add('a', packet(n), 0)
  room.add('b', packet(9), 0)
  assert.deepEqual(
    room.wake('a').map(({ ifindex }) => ifindex),
    [1, 2, 3]
  )
  assert.deepEqual(room.wake('a'), [])
  assert.equal(room.size, 1)
})

test('one cause keeps 512 packets of one sender; who does not get in is counted', () => {
  const { room, drops } = open()
  for (let n = 0; n < 514; n++) room.add('a', packet(), 0)
  assert.equal(room.size, 512)
  assert.equal(drops('drop.waiting.full'), 2)
  room.add('a', packet(2), 0)
  assert.equal(room.wake('a').length, 513)
})

test('the room keeps 4096; whoever has most in it makes place, its oldest first', () => {
  const { room, drops } = open()
  room.add('mine', packet(2), 0)
  for (let n = 0; n < 5000; n++) room.add(`cause ${n}`, packet(), 0)
  assert.equal(room.size, 4096)
  assert.equal(drops('drop.waiting.full'), 5001 - 4096)
  room.add('mine', packet(2), 0)
  room.add('mine', { ...packet(), port: 'p' }, 0)
  assert.equal(room.size, 4096)
  assert.equal(room.wake('mine').length, 3)
  assert.deepEqual([room.wake('cause 0').length, room.wake('cause 4999').length], [0, 1])
})

test('large frames fill the room by their bytes, and only their sender loses any', () => {
  const { room } = open()
  room.add('mine', packet(2), 0)
  for (let n = 0; n < 600; n++)
    room.add(`cause ${n}`, { ...packet(), frame: new Uint8Array(65_000) }, 0)
  assert.ok(room.size < 300)
  assert.equal(room.wake('mine').length, 1)
})

test('a packet waits five seconds at most, however often it is woken', () => {
  const { room, drops } = open()
  const waiting = packet()
  room.add('a', waiting, 1000)
  const [woken] = room.wake('a')
  room.add('b', woken!, 5000)
  room.add('b', packet(), 5000)
  room.expire(5999)
  assert.equal(room.size, 2)
  room.expire(6000)
  assert.equal(room.size, 1)
  assert.equal(drops('drop.waiting.expired'), 1)
  room.expire(10_000)
  assert.equal(room.size, 0)
  assert.deepEqual(room.wake('b'), [])
})
