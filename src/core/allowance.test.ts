// So many at once, so many a second.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowance } from './allowance.ts'

const taken = (allowance: Allowance, now: number, tries: number): number => {
  let count = 0
  for (let i = 0; i < tries; i++) if (allowance.take(now)) count++
  return count
}

test('a burst is given at once, then so many a second, and never more than a burst', () => {
  const allowance = new Allowance(10, 5)
  assert.equal(taken(allowance, 1_000, 100), 10)
  assert.equal(taken(allowance, 1_100, 100), 0)
  assert.equal(taken(allowance, 2_000, 100), 5)
  assert.equal(taken(allowance, 99_000, 100), 10)
})

test('a fraction is kept, however often somebody asks', () => {
  const allowance = new Allowance(1, 1)
  assert.equal(taken(allowance, 0, 1), 1)
  let count = 0
  for (let now = 0; now <= 10_000; now += 10) count += taken(allowance, now, 1)
  assert.equal(count, 10)
})
