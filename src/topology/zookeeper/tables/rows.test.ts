// The rows of a table are what its log says, whoever reads it and from wherever: from the
// beginning, or from a base that was made at any moment, with the sessions that last.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../../../test/cases.ts'
import type { TableEvent } from '../../store.ts'
import { Rows, type Step } from './rows.ts'

const OWNERS = ['', 'a', 'b', 'c'] // '': a seed

const step: fc.Arbitrary<Step> = fc.record({
  owner: fc.constantFrom(...OWNERS),
  key: fc.constantFrom('k', 'l', 'm'),
  value: fc.option(fc.constantFrom('1', '2', '3'), { nil: undefined }),
  was: fc.option(fc.constantFrom('1', '2'), { nil: undefined })
})

// A copy that knows only what it was told.
class Told {
  readonly seen = new Map<string, string>()

  take(events: readonly TableEvent[]): void {
    for (const event of events)
      if (event.op === 'put') this.seen.set(event.entry.key, event.entry.value)
      else assert.ok(this.seen.delete(event.key), `${event.key} was never told`)
  }
}

const seenOf = (rows: Rows): [string, string][] =>
  [...rows.shown()].map(({ key, value }): [string, string] => [key, value]).sort()

test('what is told of each change adds up to what is there, also from a base', () => {
  const changes = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 20 })
  const property = fc.property(changes, fc.nat(20), (all, at) => {
    const rows = new Rows(() => true)
    const told = new Told()
    const late = new Rows(() => true)
    for (const [n, steps] of all.entries()) {
      if (n === at) late.load(rows.lines())
      told.take(rows.apply(n, steps))
      if (n >= at) late.apply(n, steps)
    }
    assert.deepEqual([...told.seen].sort(), seenOf(rows))
    if (at < all.length) assert.deepEqual(seenOf(late), seenOf(rows))
  })
  fc.assert(property, { numRuns: casesOf(2000) })
})

test('a session that ends takes its rows out of sight, and back with it when it returns', () => {
  const lasting = new Set(['a', 'b'])
  const rows = new Rows(owner => lasting.has(owner))
  const told = new Told()
  const put = (owner: string, key: string, value: string): void =>
    told.take(rows.apply(++n, [{ owner, key, value }]))
  let n = 0
  put('', 'k', 'seed')
  put('a', 'k', 'mine')
  put('a', 'l', 'agreed')
  put('b', 'l', 'agreed')
  put('c', 'm', 'of nobody we know')
  assert.deepEqual(
    [...told.seen],
    [
      ['k', 'mine'],
      ['l', 'agreed']
    ]
  )
  lasting.delete('a')
  told.take(rows.look('a'))
  assert.deepEqual(seenOf(rows), [
    ['k', 'seed'],
    ['l', 'agreed']
  ])
  assert.deepEqual([...told.seen].sort(), seenOf(rows))
  put('b', 'k', 'other') // refutes what a said, whether it is seen or not
  lasting.add('a').add('c')
  told.take([...rows.look('a'), ...rows.look('c')])
  assert.deepEqual([...told.seen].sort(), [
    ['k', 'other'],
    ['l', 'agreed'],
    ['m', 'of nobody we know']
  ])
  lasting.delete('a')
  rows.look('a')
  assert.equal([...rows.lines()].length, 4, 'a base has no rows of who is gone')
})
