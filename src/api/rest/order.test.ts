// Positions: who comes to a taken one pushes, nobody else moves, and nobody ends up in two places.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../../test/cases.ts'
import type { Versioned } from '../../topology/store.ts'
import { inOrder, Siblings } from './order.ts'

const rule = (id: string, position: number): Versioned => ({
  kind: 'rule',
  id,
  version: 1,
  value: { id, position }
})

function place(siblings: readonly Versioned[], wanted: number | undefined) {
  const all = new Siblings(siblings, 'position')
  all.add('new', wanted)
  return { position: all.come.get('new')!, moved: all.moved }
}

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
      const { position, moved } = place(rules, wanted ?? undefined)
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

test('Siblings: several that come at once stand as if they had come one by one', () => {
  const positions = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 8 })
  const wishes = fc.array(fc.option(fc.integer({ min: 1, max: 14 }), { nil: undefined }), {
    maxLength: 8
  })
  fc.assert(
    fc.property(positions, wishes, (taken, wanted) => {
      const stored = taken.map((p, i) => rule(`stored ${i}`, p))
      const together = new Siblings(stored, 'position')
      let one = stored
      for (const [i, wish] of wanted.entries()) {
        together.add(`new ${i}`, wish)
        const { position, moved } = place(one, wish)
        const now = new Map(moved.map(each => [each.object.id, each.position]))
        const kept = one.map(({ id, value }) => rule(id, now.get(id) ?? Number(value.position)))
        one = [...kept, rule(`new ${i}`, position)]
      }
      const after = new Map(stored.map(({ id, value }) => [id, Number(value.position)]))
      for (const { object, position } of together.moved) after.set(object.id, position)
      for (const [id, position] of together.come) after.set(id, position)
      assert.deepEqual(after, new Map(one.map(({ id, value }) => [id, Number(value.position)])))
    }),
    { seed: 7, numRuns: casesOf(500) }
  )
})
