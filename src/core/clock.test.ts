// VirtualClock against a sorted list; SystemClock only for what does not depend on speed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { SystemClock, sleep, type Timer, VirtualClock } from './clock.ts'

test('deadlines fire in order of time, then in the order they were set', () => {
  const delays = fc.array(fc.record({ ms: fc.nat(9), cancelled: fc.boolean() }), { maxLength: 200 })
  fc.assert(
    fc.property(delays, list => {
      const clock = new VirtualClock()
      const fired: number[] = []
      const timers = list.map(({ ms }, i) => clock.after(ms, () => fired.push(i)))
      for (const [i, { cancelled }] of list.entries()) if (cancelled) timers[i]!.cancel()
      const expected = [...list.keys()]
        .filter(i => !list[i]!.cancelled)
        .sort((a, b) => list[a]!.ms - list[b]!.ms || a - b)
      while (clock.step());
      assert.deepEqual(fired, expected)
      assert.equal(clock.waiting, 0)
    }),
    { seed: 1, numRuns: casesOf(300) }
  )
})

test('advance fires all that falls due on the way, also what is set meanwhile', () => {
  const clock = new VirtualClock()
  const fired: string[] = []
  clock.after(5, () => {
    fired.push(`a at ${clock.now()}`)
    clock.after(5, () => fired.push(`b at ${clock.now()}`))
    clock.after(6, () => fired.push('never'))
  })
  clock.advance(10)
  assert.deepEqual(fired, ['a at 5', 'b at 10'])
  assert.equal(clock.now(), 10)
  assert.equal(clock.waiting, 1)
})

test('soon is this instant, after what is due already', () => {
  const clock = new VirtualClock()
  const fired: string[] = []
  clock.after(0, () => fired.push('first'))
  clock.soon(() => fired.push('second'))
  clock.after(-3, () => fired.push('third'))
  clock.advance(0)
  assert.deepEqual(fired, ['first', 'second', 'third'])
})

test('a timer cancels itself and others while it fires, and twice does no harm', () => {
  const clock = new VirtualClock()
  let other = 0
  const victim = clock.after(1, () => other++)
  const self: Timer = clock.after(1, () => other++)
  victim.cancel()
  victim.cancel()
  clock.advance(1)
  self.cancel()
  assert.equal(other, 1)
})

test('wall time moves with now', () => {
  const clock = new VirtualClock(1_000)
  clock.advance(250.5)
  assert.equal(clock.wall(), 1_250)
})

test('the system clock does not go back, and fires timers unless cancelled', async () => {
  const clock = new SystemClock()
  const before = clock.now()
  const fired: string[] = []
  clock.after(0, () => fired.push('cancelled')).cancel()
  const far = clock.after(2 ** 40, () => fired.push('in 34 years'))
  await sleep(clock, 2)
  await new Promise<void>(done => clock.soon(done))
  far.cancel()
  assert.deepEqual(fired, [])
  assert.ok(clock.now() > before)
})
