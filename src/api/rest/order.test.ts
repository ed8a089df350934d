// Positions: who comes to a taken one pushes, nobody else moves, and nobody ends up in two places.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../../test/cases.ts'
import type { Versioned } from '../../topology/store.ts'
import { inOrder, place } from './order.ts'

const rule = (id: string, position: number): Versioned => ({
  kind: 'rule',
  id,
  version: 1,
  value: { id, position }
})

for (const { name, positions, wanted, expect, moved } of [
  { name: 'the first of all', positions: [], wanted: undefined, expect: 1, moved: [] },
  { name: 'behind the last', positions: [1, 5], wanted: undefined, expect: 6, moved: [] },
  { name: 'into a gap', positions: [1, 5], wanted: 3, expect: 3, moved: [] },
  { name: 'pushes up to the gap', positions: [1, 2, 4], wanted: 1, expect: 1, moved: [2, 3] },
  { name: 'pushes all without one', positions: [1, 2, 3], wanted: 2, expect: 2, moved: [3, 4] }
] as const)
  test(`place: ${name}`, () => {
    const placed = place(
      positions.map((p, i) => rule(String(i), p)),
      'position',
      wanted
    )
    assert.equal(placed.position, expect)
    assert.deepEqual(
      placed.moved.map(each => each.position),
      moved
    )
  })

test('place: all positions are different afterwards, and the order is kept', () => {
  const positions = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 20 })
  fc.assert(
    fc.property(positions, fc.option(fc.integer({ min: 1, max: 45 })), (taken, wanted) => {
      const rules = taken.map((p, i) => rule(String(i).padStart(2, '0'), p))
      const { position, moved } = place(rules, 'position', wanted ?? undefined)
      const after = new Map(rules.map(each => [each.id, Number(each.value.position)]))
      for (const { object, position: to } of moved) after.set(object.id, to)
      assert.equal(new Set([...after.values(), position]).size, rules.length + 1)
      const before = inOrder(rules, 'position').map(each => each.id)
      const sorted = [...after].sort((a, b) => a[1] - b[1]).map(([id]) => id)
      assert.deepEqual(sorted, before)
    }),
    { seed: 7, numRuns: casesOf(500) }
  )
})
