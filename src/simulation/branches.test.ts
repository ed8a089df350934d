// A flood's branches come back in order, with the key they had.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlowKey, Word } from '../flow/key.ts'
import { BRANCHES_MAX, Branches } from './branches.ts'
import type { Port } from './device.ts'

test('each keeps its own key; cleared, the list is used again', () => {
  const branches = new Branches()
  const inPort = { id: 'in' } as Port
  for (const round of [1, 2]) {
    const key = new FlowKey()
    for (const [i, port] of ['a', 'b'].entries()) {
      key.words[Word.typeId] = round * 10 + i
      assert.equal(branches.add(port, inPort, key, i), true)
    }
    key.words[Word.typeId] = 0
    const seen = [branches.next()!, branches.next()!].map(({ port, hops, key: kept }) => [
      port,
      hops,
      kept.words[Word.typeId]
    ])
    assert.deepEqual(seen, [
      ['a', 0, round * 10],
      ['b', 1, round * 10 + 1]
    ])
    assert.equal(branches.next(), undefined)
    branches.clear()
  }
})

test('a flood has so many branches, and no more', () => {
  const branches = new Branches()
  const key = new FlowKey()
  for (let i = 0; i < BRANCHES_MAX; i++) assert.ok(branches.add('p', {} as Port, key, 0))
  assert.equal(branches.add('p', {} as Port, key, 0), false)
})
