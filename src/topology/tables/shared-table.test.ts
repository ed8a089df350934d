// The worker's copy of a table against the store that is the truth: an own write never flaps while
// it is under way, and when all is told the copy is what the store says.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../../test/cases.ts'
import type { TableEvent } from '../store.ts'
import { SharedTable } from './shared-table.ts'

const SELF = 'self'
const KEYS = ['a', 'b']
const VALUES = ['1', '2', '3']

// A store as sqlite is one: each owner has an entry under a key, the newest shows, a put refutes
// the entries that say otherwise, and saying again what one has said changes nothing.
class Truth {
  readonly #entries: { key: string; owner: string; value: string; version: number }[] = []
  #version = 0
  readonly log: (TableEvent | { op: 'written'; key: string })[] = []

  put(key: string, owner: string, value: string): void {
    const own = this.#entries.find(each => each.key === key && each.owner === owner)
    if (own?.value === value) return
    this.#drop(
      each => each.key === key && each.value !== value && owner !== '' && each.owner !== ''
    )
    this.#drop(each => each.key === key && each.owner === owner)
    this.#entries.push({ key, owner, value, version: ++this.#version })
    this.#tell(key)
  }

  remove(key: string, owner: string): void {
    if (this.#drop(each => each.key === key && each.owner === owner)) this.#tell(key)
  }

  written(key: string): void {
    this.log.push({ op: 'written', key })
  }

  shown(key: string): { key: string; owner: string; value: string; version: number } | undefined {
    const rank = (owner: string): number => (owner === '' ? 0 : 1)
    return this.#entries
      .filter(each => each.key === key)
      .sort((x, y) => rank(y.owner) - rank(x.owner) || y.version - x.version)[0]
  }

  #drop(which: (entry: { key: string; owner: string; value: string }) => boolean): boolean {
    const kept = this.#entries.filter(each => !which(each))
    const dropped = kept.length < this.#entries.length
    this.#entries.splice(0, this.#entries.length, ...kept)
    return dropped
  }

  #tell(key: string): void {
    const entry = this.shown(key)
    this.log.push(entry === undefined ? { op: 'delete', key } : { op: 'put', entry })
  }
}

interface Pair {
  readonly table: SharedTable
  readonly truth: Truth
  readonly seen: string[] // every change, as listeners hear it
  store(): boolean // the oldest own write reaches the store
  hear(): boolean // the worker hears the store's oldest word
}

function open(): Pair {
  const truth = new Truth()
  const onTheWay: (() => void)[] = []
  const table = new SharedTable('t', SELF, {
    put: (_, key, value) =>
      onTheWay.push(
        () => truth.put(key, SELF, value),
        () => truth.written(key)
      ),
    remove: (_, key) =>
      onTheWay.push(
        () => truth.remove(key, SELF),
        () => truth.written(key)
      )
  })
  const seen: string[] = []
  table.onChange((key, value, before) => {
    assert.notEqual(value, before)
    assert.equal(table.get(key), value)
    seen.push(`${key}: ${before} → ${value}`)
  })
  return {
    table,
    truth,
    seen,
    store: () => {
      const both = onTheWay.splice(0, 2)
      for (const run of both) run()
      return both.length > 0
    },
    hear: () => {
      const [event] = truth.log.splice(0, 1)
      if (event?.op === 'written') table.written(event.key)
      else if (event !== undefined) table.apply([event])
      return event !== undefined
    }
  }
}

function settle(pair: Pair): void {
  while (pair.store()) {}
  while (pair.hear()) {}
}

const step = fc.record({
  do: fc.constantFrom(
    'put',
    'put',
    'remove',
    'other',
    'other',
    'leave',
    'seed',
    'store',
    'hear',
    'hear'
  ),
  key: fc.constantFrom(...KEYS),
  value: fc.constantFrom(...VALUES)
})

test('when all is told it is what the store says; an own write stands while under way', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), steps => {
      const pair = open()
      const { table, truth } = pair
      for (const { do: what, key, value } of steps) {
        if (what === 'put') {
          table.put(key, value)
          assert.equal(table.get(key), value)
          assert.ok(table.owns(key))
        } else if (what === 'remove') table.remove(key)
        else if (what === 'other') truth.put(key, 'other', value)
        else if (what === 'leave') truth.remove(key, 'other')
        else if (what === 'seed') truth.put(key, '', value)
        else if (what === 'store') pair.store()
        else pair.hear()
      }
      settle(pair)
      for (const key of KEYS) {
        assert.equal(table.get(key), truth.shown(key)?.value)
        assert.equal(table.owns(key), truth.shown(key)?.owner === SELF)
      }
      const entries = [...table.entries()]
      assert.equal(table.size, entries.length)
      for (const [key, value] of entries) assert.equal(truth.shown(key)?.value, value)
    }),
    { seed: 1, numRuns: casesOf(2000) }
  )
})

test('own writes in quick succession are seen once each, whatever comes back late', () => {
  const pair = open()
  for (const value of ['1', '2', '1', '3']) pair.table.put('a', value)
  pair.truth.put('a', 'other', '2') // before ours
  settle(pair)
  const changes = ['undefined → 1', '1 → 2', '2 → 1', '1 → 3'].map(change => `a: ${change}`)
  assert.deepEqual(pair.seen, changes)
})

test('a removal that comes too late leaves the entry to its new owner', () => {
  const pair = open()
  pair.table.put('a', '1')
  settle(pair)
  pair.truth.put('a', 'other', '2')
  pair.table.remove('a')
  assert.equal(pair.table.get('a'), undefined)
  settle(pair)
  assert.deepEqual([pair.table.get('a'), pair.table.owns('a')], ['2', false])
})

test('a seed shows again when a learned entry goes', () => {
  const pair = open()
  pair.truth.put('a', '', 'seed')
  settle(pair)
  pair.table.put('a', '1')
  settle(pair)
  pair.table.remove('a')
  settle(pair)
  assert.deepEqual([pair.table.get('a'), pair.table.size], ['seed', 1])
})

test('only own entries are removed, and what is so already is not written again', () => {
  const pair = open()
  pair.truth.put('a', 'other', '1')
  settle(pair)
  pair.table.remove('a')
  assert.equal(pair.store(), false)
  pair.table.put('a', '1') // to own it is news
  pair.table.put('a', '1')
  assert.equal(pair.store(), true)
  assert.equal(pair.store(), false)
})

test('who stops listening hears no more', () => {
  const pair = open()
  let heard = 0
  const stop = pair.table.onChange(() => heard++)
  pair.table.put('a', '1')
  stop()
  pair.table.put('a', '2')
  assert.equal(heard, 1)
})
