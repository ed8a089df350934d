// Kinds of records: what tells two numberings apart, and where idle times of their own end up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CORE_KINDS, kindsStamp, withKinds } from './kinds.ts'
import { TIMEOUTS_DEFAULT } from './timeouts.ts'

const named = (...names: string[]) => names.map(name => ({ name, idleS: 0 }))

test('a stamp is of the names and their order, has 16 bits and is never 0', () => {
  const stamps = [
    kindsStamp(CORE_KINDS),
    kindsStamp(named('connection', 'a', 'b')),
    kindsStamp(named('connection', 'b', 'a')),
    kindsStamp(named('connection', 'ab')),
    kindsStamp(named('connection', 'a', 'b', 'c'))
  ]
  assert.equal(new Set(stamps).size, stamps.length)
  for (let i = 0; i < 100_000; i++) {
    const stamp = kindsStamp(named(`kind-${i}`))
    assert.ok(stamp > 0 && stamp <= 0xffff)
  }
  assert.equal(kindsStamp(named('x', 'y')), kindsStamp(named('x', 'y')))
})

test('a kind has its own idle time, unless one is set already', () => {
  const kinds = [...CORE_KINDS, { name: 'seen', idleS: 7 }, { name: 'way', idleS: 0 }]
  assert.deepEqual(withKinds(TIMEOUTS_DEFAULT, kinds).kindsS, [0, 0, 7, 0])
  const set = { ...TIMEOUTS_DEFAULT, kindsS: [0, 0, 9] }
  assert.deepEqual(withKinds(set, kinds).kindsS, [0, 0, 9, 0])
})
