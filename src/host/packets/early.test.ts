// Fragments that wait for the first of their packet: who is let go by what, and the bounds.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import { FragmentMemory } from '../../simulation/fragments.ts'
import { Outcome } from '../../simulation/outcome.ts'
import { EarlyFragments } from './early.ts'
import type { WaitingPacket } from './waiting-room.ts'

const WORDS = new Int32Array(20)
const fragment = (ifindex: number): WaitingPacket => ({
  ...{ frame: new Uint8Array(14), key: new Int32Array(20), ifindex, reason: 0 },
  ...{ gsoSize: 0, port: '', deadline: 0 }
})

function open() {
  const counters = new CounterTable()
  const again: WaitingPacket[] = []
  const clock = new VirtualClock()
  const early = new EarlyFragments(counters, clock, waiting => again.push(waiting))
  const fragments = new FragmentMemory()
  const ctx = { fragments, outcome: new Outcome() } as unknown as SimulationContext
  // What a walk asks of a fragment of packet n.
  const walk = (n: number, isFirst: boolean, now: number): boolean => {
    fragments.begin()
    const whole = { id: n, next: 17 }
    if (isFirst) fragments.note('r', WORDS, whole, now)
    else fragments.find('r', WORDS, whole, now)
    return early.lacks(ctx)
  }
  const waiting = (): number => counters.snapshot().gauges['waiting.fragments']!
  return { counters, again, clock, early, ctx, walk, waiting }
}

test('B4: they wait for the first of their own packet', () => {
  const { again, early, ctx, walk } = open()
  for (const n of [7, 8]) {
    assert.ok(walk(n, false, 0))
    early.add(fragment(n), 0)
  }
  assert.ok(!walk(7, true, 1))
  early.passed(ctx)
  assert.deepEqual(
    again.map(({ ifindex, isLate }) => [ifindex, isLate]),
    [[7, undefined]]
  )
  assert.ok(!walk(7, false, 2), 'the first is known now')
})

test('B4: no longer because they waited for something else before', () => {
  const { again, clock, early, walk } = open()
  assert.ok(walk(7, false, 0))
  clock.advance(100)
  early.add({ ...fragment(7), deadline: 5000 }, 100)
  clock.advance(1999)
  assert.equal(again.length, 0)
  clock.advance(1)
  assert.equal(again.length, 1)
})

test('B4: each for as long, whoever waits beside it, and while their worker is there', () => {
  const { again, clock, early, walk } = open()
  const waits = (ifindex: number, deadline = 0): void => {
    walk(ifindex, false, clock.now())
    early.add({ ...fragment(ifindex), deadline }, clock.now())
  }
  const gone = (ms: number): number[] => {
    clock.advance(ms)
    return again.splice(0).map(({ ifindex }) => ifindex)
  }
  waits(1)
  clock.advance(12)
  waits(2)
  waits(3, 1990)
  assert.deepEqual([gone(1977), gone(1), gone(10), gone(11), gone(1)], [[], [3], [1], [], [2]])
  waits(4)
  clock.advance(1000)
  waits(5)
  early.close()
  assert.deepEqual([gone(9000), clock.waiting], [[], 0])
})

test('B13: behind a first one that waits itself', () => {
  const { again, early, ctx, walk } = open()
  assert.ok(!walk(7, true, 0))
  early.delay(ctx)
  assert.ok(walk(7, false, 1), 'it would overtake it')
  early.add(fragment(1), 1)
  walk(7, true, 2)
  early.passed(ctx)
  assert.equal(again.length, 1)
})

test('B4: not for long, and within bounds', () => {
  const { counters, again, clock, early, walk, waiting } = open()
  for (let n = 1; n <= 5000; n++) {
    assert.ok(walk(n, false, 0))
    early.add(fragment(1), 0)
  }
  assert.equal(waiting(), 1024)
  assert.equal(counters.value('drop.waiting.full'), 5000 - 1024)
  assert.ok(walk(9000, false, 0))
  early.add(fragment(2), 0)
  clock.advance(1999)
  assert.equal(again.length, 0)
  clock.advance(1)
  assert.equal(waiting(), 0)
  assert.ok(again.every(({ isLate }) => isLate))
  assert.ok(
    again.some(({ ifindex }) => ifindex === 2),
    'a flood displaces itself'
  )
})
