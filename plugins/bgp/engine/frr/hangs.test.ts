// When a daemon that does not answer is taken to hang.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../../src/core/clock.ts'
import { Hangs } from './hangs.ts'

test('a process hangs that has answered nobody for so long, and begins anew then', () => {
  const clock = new VirtualClock()
  const hangs = new Hangs(clock, 1000)
  const asked = clock.now()
  clock.advance(999)
  assert.equal(hangs.silent(7, asked), false)
  clock.advance(1)
  assert.equal(hangs.silent(8, clock.now()), false, 'each by itself')
  assert.equal(hangs.silent(7, clock.now()), true)
  assert.equal(hangs.silent(7, clock.now()), false, 'one that bears its number later')
})

test('an answer between is enough', () => {
  const clock = new VirtualClock()
  const hangs = new Hangs(clock, 1000)
  hangs.silent(7, clock.now())
  clock.advance(900)
  hangs.answered(7)
  clock.advance(200)
  assert.equal(hangs.silent(7, clock.now() - 100), false)
})
