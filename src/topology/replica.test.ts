// Objects that several interests name: held once, as long as one of them does, at their newest.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Replica } from './replica.ts'
import type { WatchEvent } from './store.ts'

const put = (id: string, version: number, device = 'd'): WatchEvent => ({
  op: 'put',
  object: { kind: 'port', id, version, value: { id, device, version } }
})
const gone = (id: string): WatchEvent => ({ op: 'delete', kind: 'port', id })
const BY_ID = { kind: 'port', id: 'p' } as const
const OF_D = { kind: 'port', field: 'device', value: 'd' } as const

function open(): Replica {
  const replica = new Replica()
  replica.add(BY_ID)
  replica.add(OF_D)
  return replica
}

test('an interest is asked for once', () => {
  const replica = new Replica()
  assert.deepEqual([replica.add(BY_ID), replica.add(BY_ID), replica.add(OF_D)], [true, false, true])
  assert.equal(replica.watched('port/p')?.ready, false)
  replica.apply('port/p', [], true)
  assert.equal(replica.watched('port/p')?.ready, true)
  assert.deepEqual(replica.apply('port/unasked', [put('x', 1)], true), [])
  assert.equal(replica.get('port', 'x'), undefined)
})

test('an object stays until the last interest lets it go', () => {
  const replica = open()
  assert.deepEqual(replica.apply('port/p', [put('p', 1)], true), ['port/p'])
  assert.deepEqual(replica.apply('port?device=d', [put('p', 1)], true), ['port/p'])
  assert.deepEqual([...replica.namedBy('port/p')], ['port/p', 'port?device=d'])
  replica.apply('port?device=d', [gone('p')], false)
  assert.equal(replica.get('port', 'p')?.version, 1)
  assert.deepEqual(replica.where('port', 'device', 'd'), [])
  replica.apply('port/p', [gone('p')], false)
  assert.equal(replica.get('port', 'p'), undefined)
  assert.deepEqual(replica.apply('port/p', [gone('p')], false), [])
})

test('the newest version stands, whichever interest brings it, and old news is no news', () => {
  const replica = open()
  replica.apply('port/p', [put('p', 1)], true)
  replica.apply('port?device=d', [put('p', 3)], true)
  assert.deepEqual(replica.apply('port/p', [put('p', 2)], false), [])
  assert.equal(replica.value('port/p')?.version, 3)
  assert.deepEqual(replica.apply('port/p', [put('p', 4)], false), ['port/p'])
  assert.equal(replica.where('port', 'device', 'd')[0]?.version, 4)
})

test('a selection is told by ascending id', () => {
  const replica = open()
  replica.apply('port?device=d', [put('c', 1), put('a', 2), put('b', 3)], true)
  assert.deepEqual(
    replica.where('port', 'device', 'd').map(({ id }) => id),
    ['a', 'b', 'c']
  )
  assert.deepEqual(replica.where('port', 'device', 'other'), [])
})
