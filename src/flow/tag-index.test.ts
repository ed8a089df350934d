// The tag index against a map from flows to tags.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { derive, deviceTag, egressTag, isStateTag, stateTag, tagOf } from './tag.ts'
import { TagIndex } from './tag-index.ts'

// Two of them in one bucket.
const TAGS = [
  ...Array.from({ length: 4 }, (_, i) => tagOf('tag', String(i))),
  ...[7, 9, 7 + 4096].map(stateTag)
]
const step = fc.record({
  flow: fc.integer({ min: 1, max: 12 }),
  add: fc.boolean(),
  tags: fc.array(fc.nat({ max: TAGS.length - 1 }), { maxLength: 5 })
})

test('it says which flows carry a tag, whatever came and went', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), steps => {
      const index = new TagIndex()
      const model = new Map<number, number[]>()
      for (const { flow, add, tags } of steps) {
        const carried = tags.map(n => TAGS[n]!)
        if (!add || model.has(flow)) {
          index.remove(flow)
          model.delete(flow)
        } else {
          index.add(flow, carried)
          model.set(flow, carried)
        }
        for (const tag of TAGS) {
          const wanted = [...model].filter(([, of]) => of.includes(tag)).map(([id]) => id)
          assert.deepEqual([...new Set(index.flows(tag))].sort(byNumber), wanted.sort(byNumber))
        }
        for (const [id, of] of model) assert.deepEqual(new Set(index.tags(id)), new Set(of))
        const all = [...model.values()].flat()
        const own = [...model.values()].flatMap(of => [...new Set(of.filter(isStateTag))])
        const shared = new Set(all.filter(tag => !isStateTag(tag)))
        assert.equal(index.size, own.length + shared.size)
      }
    }),
    { seed: 1, numRuns: casesOf(500) }
  )
})

const byNumber = (a: number, b: number): number => a - b

test('only so many tags of a longer list count', () => {
  const index = new TagIndex()
  index.add(5000, TAGS, 2)
  assert.deepEqual(index.flows(TAGS[1]!), [5000])
  assert.deepEqual(index.flows(TAGS[2]!), [])
  index.remove(5000)
  index.remove(5000)
  index.remove(9_999_999)
  assert.equal(index.size, 0)
})

test('a list of flows stands while the flows are taken out', () => {
  const index = new TagIndex()
  for (let flow = 1; flow <= 5; flow++) index.add(flow, [TAGS[0]!])
  for (const flow of index.flows(TAGS[0]!)) index.remove(flow)
  assert.deepEqual(index.flows(TAGS[0]!), [])
})

test('what differs has another tag, whichever part differs', () => {
  const device = deviceTag('r0')
  const all = [
    ...[device, deviceTag('r1'), egressTag('r0'), tagOf('a', 'bc'), tagOf('ab', 'c')],
    ...[derive(device, 1), derive(device, 0, 1), derive(device, 0, 0, 1), derive(device, -1)]
  ]
  assert.equal(new Set(all).size, all.length)
  assert.equal(derive(device, 1), derive(device, 1, 0, 0))
})
