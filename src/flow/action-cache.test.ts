// Equal lists are kept once, and what is kept does not change.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ActionCache } from './action-cache.ts'
import { ActionList } from './actions.ts'

function outputs(...ports: number[]): ActionList {
  const list = new ActionList()
  for (const port of ports) list.output(port)
  return list
}

test('equal lists are one, different ones are not', () => {
  const cache = new ActionCache()
  const kept = cache.keep(outputs(1, 2))
  assert.equal(cache.keep(outputs(1, 2)), kept)
  for (const other of [outputs(), outputs(1), outputs(2, 1), outputs(1, 2, 2)]) {
    const own = cache.keep(other)
    assert.notEqual(own, kept)
    assert.ok(own.equals(other))
  }
})

test('a kept list stays as it was when the one it was made of goes on', () => {
  const cache = new ActionCache()
  const list = outputs(7)
  const kept = cache.keep(list)
  list.output(8)
  assert.ok(kept.equals(outputs(7)))
  assert.notEqual(cache.keep(list), kept)
})

test('more lists than there is room for are right all the same', () => {
  const cache = new ActionCache()
  const kept = Array.from({ length: 5000 }, (_, port) => cache.keep(outputs(port, port ^ 3)))
  for (const [port, list] of kept.entries()) assert.ok(list.equals(outputs(port, port ^ 3)))
})
