// Ways out that come and go, by a clock that is moved by hand.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../src/core/clock.ts'
import { Damping } from './damping.ts'

const WAY = '192.0.2.1'
const settings = { dampFirstMs: 1000, dampMaxMs: 60_000, dampForgetMs: 300_000 }

function ground(more: Partial<typeof settings> = {}) {
  const clock = new VirtualClock()
  const released: string[] = []
  const damping = new Damping(clock, { ...settings, ...more }, way => released.push(way))
  const flap = (): string | null => {
    damping.lost(WAY)
    damping.found(WAY)
    return damping.reason(WAY)
  }
  return { clock, damping, released, flap }
}

test('a first failure costs nothing, nor does what was never lost', () => {
  const { damping, flap } = ground()
  assert.equal(damping.found(WAY), false)
  assert.equal(flap(), null)
  assert.equal(damping.isDamped(WAY), false)
})

test('each failure more is twice as long a time to be steady, up to a bound', () => {
  const { flap } = ground()
  flap()
  const reasons = Array.from({ length: 9 }, flap)
  assert.equal(reasons[0], 'damped for 1 s: 2 flaps')
  assert.equal(reasons[3], 'damped for 8 s: 5 flaps')
  assert.equal(reasons[6], 'damped for 60 s: 8 flaps')
  assert.equal(reasons[8], 'damped for 60 s: 10 flaps')
})

test('it is damped no more when it has been steady; what falls meanwhile begins anew', () => {
  const { clock, damping, released, flap } = ground()
  flap()
  flap()
  clock.advance(999)
  flap() // 2 s from here
  clock.advance(1999)
  assert.deepEqual([released, damping.isDamped(WAY)], [[], true])
  clock.advance(1)
  assert.deepEqual([released, damping.isDamped(WAY)], [[WAY], false])
  damping.lost(WAY)
  clock.advance(10_000)
  assert.equal(damping.isDamped(WAY), false, 'one that is away is not waited for')
})

test('failures are forgotten after a quiet while, and when somebody meant them', () => {
  const { clock, damping, flap } = ground()
  for (let i = 0; i < 4; i++) flap()
  clock.advance(settings.dampForgetMs)
  assert.notEqual(flap(), null)
  clock.advance(settings.dampForgetMs + 1)
  assert.equal(flap(), null)
  flap()
  damping.forget(WAY)
  assert.deepEqual([damping.isDamped(WAY), flap()], [false, null])
})

test('one that somebody means to take away has not failed when it goes', () => {
  const { damping, flap, released } = ground()
  flap()
  flap()
  damping.forget(WAY)
  assert.deepEqual(released, [WAY], 'it is not taken last any more')
  damping.lost(WAY)
  damping.found(WAY)
  assert.deepEqual([flap(), flap()], [null, 'damped for 1 s: 2 flaps'])
  damping.forgetAll()
  assert.deepEqual(released, [WAY], 'nobody is there to hear it')
})

test('a long time down is no quiet one for those that were damped before', () => {
  const { clock, damping, flap } = ground()
  for (let i = 0; i < 3; i++) flap()
  damping.lost(WAY)
  clock.advance(settings.dampForgetMs - 1)
  assert.equal(damping.found(WAY), true)
})

test('with 0 nothing is damped; as many ways as can be are remembered, and no more', () => {
  const { flap } = ground({ dampFirstMs: 0 })
  assert.deepEqual([flap(), flap(), flap()], [null, null, null])
  const { damping, clock } = ground()
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < 2000; i++) damping.lost(`2001:db8::${i.toString(16)}`)
  assert.equal(damping.found('2001:db8::1'), true)
  assert.equal(damping.found('2001:db8::7cf'), false)
  damping.forgetAll()
  clock.advance(100_000)
  assert.equal(damping.isDamped('2001:db8::1'), false)
})
