// When something is tried again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff, Retry } from './backoff.ts'
import { VirtualClock } from './clock.ts'

test('each wait is twice the one before, up to a bound, and the first when it went well', () => {
  const backoff = new Backoff(10, 35)
  assert.deepEqual(
    Array.from({ length: 4 }, () => backoff.next()),
    [10, 20, 35, 35]
  )
  backoff.reset()
  assert.equal(backoff.next(), 10)
})

test('a try is to come once, later each time, until it goes well or nobody waits for it', () => {
  const clock = new VirtualClock()
  const tries: number[] = []
  const retry = new Retry(clock, () => {
    tries.push(clock.now())
    retry.later()
  })
  retry.later()
  retry.later()
  clock.advance(7000)
  assert.deepEqual(tries.splice(0), [1000, 3000, 7000])
  retry.reset()
  clock.advance(60_000)
  assert.deepEqual(tries, [])
  retry.later()
  clock.advance(1000)
  assert.deepEqual(tries.splice(0), [68_000])
  retry.close()
  retry.later()
  assert.equal(clock.waiting, 0)
})
