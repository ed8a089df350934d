// The flow table against a list that is searched from one end to the other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { SeededRandom } from '../core/random.ts'
import { WORDS } from './key.ts'
import { FlowTable } from './table.ts'

// Few masks, so that keys meet.
// tried in.
const mask = (...words: readonly [number, number][]): Int32Array => {
  const bits = new Int32Array(WORDS)
  for (const [word, value] of words) bits[word] = value
  return bits
}
const MASKS = [
  mask([0, -1]),
  mask([0, -1], [12, 0xffffff00 | 0]),
  mask([0, -1], [12, -1], [17, 0xffff]),
  mask([7, 0xffff0000 | 0], [19, -1])
]

interface Stored {
  readonly id: number
  readonly mask: Int32Array
  readonly key: Int32Array
}

const same = (a: Int32Array, b: Int32Array): boolean => a.every((word, i) => word === b[i])
const matches = (words: Int32Array, { key, mask }: Stored): boolean =>
  mask.every((bits, i) => (words[i]! & bits) === key[i])

const key = fc
  .array(fc.nat({ max: 2 }), { minLength: WORDS, maxLength: WORDS })
  .map(words => Int32Array.from(words, (word, i) => (i === 7 ? word << 16 : word * 0x101)))
const step = fc.record({
  do: fc.constantFrom('add', 'add', 'remove', 'find', 'exact'),
  key,
  mask: fc.nat({ max: MASKS.length - 1 }),
  n: fc.nat()
})

test('it finds what a search of everything finds, whatever came and went', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), steps => {
      const table = new FlowTable(30)
      let model: Stored[] = []
      for (const { do: what, key, mask: m, n } of steps) {
        const bits = MASKS[m]!
        const masked = key.map((word, i) => word & bits[i]!)
        const known = model.find(flow => same(flow.mask, bits) && same(flow.key, masked))
        if (what === 'exact') assert.equal(table.findExact(key, 0, bits), known?.id ?? 0)
        else if (what === 'find') {
          const found = table.find(key, 0)
          const all = model.filter(flow => matches(key, flow)).map(({ id }) => id)
          assert.ok(found === 0 ? all.length === 0 : all.includes(found))
        } else if (what === 'add' && known === undefined) {
          const id = table.add(key, 0, bits)
          assert.equal(id === 0, model.length === 30)
          if (id === 0) continue
          assert.ok(model.every(flow => flow.id !== id))
          model.push({ id, mask: bits, key: masked })
          assert.ok(same(table.key(id), masked) && same(table.mask(id), bits))
        } else if (what === 'remove' && model.length > 0) {
          const gone = model[n % model.length]!
          assert.ok(table.remove(gone.id))
          assert.ok(!table.remove(gone.id) && !table.has(gone.id))
          model = model.filter(flow => flow !== gone)
        }
        assert.equal(table.size, model.length)
        assert.equal(table.masks, new Set(model.map(flow => flow.mask)).size)
        const ids = model.map(flow => flow.id).sort((a, b) => a - b)
        assert.deepEqual([...table.ids()], ids)
      }
    }),
    { seed: 1, numRuns: casesOf(300) }
  )
})

test('ten thousand flows that come and go leave no trace of those that went', () => {
  const table = new FlowTable(2000)
  const random = new SeededRandom(4)
  const live = new Map<number, number>() // id → first word
  const words = new Int32Array(WORDS)
  for (let i = 0; i < 10_000; i++) {
    words[0] = i
    if (live.size === 2000 || random.chance(0.4)) {
      const id = [...live.keys()][random.below(live.size)]
      if (id !== undefined && table.remove(id)) live.delete(id)
    } else live.set(table.add(words, 0, MASKS[0]!), i)
  }
  for (const [id, word] of live) {
    words[0] = word
    assert.equal(table.find(words, 0), id)
  }
  for (let i = 0; i < 10_000; i++) {
    words[0] = i
    const id = table.find(words, 0)
    assert.equal(id === 0 ? undefined : live.get(id), id === 0 ? undefined : i)
  }
})

test('keys and masks may lie anywhere in a batch', () => {
  const table = new FlowTable(4)
  const keys = new Int32Array(3 * WORDS)
  const masks = new Int32Array(3 * WORDS)
  keys[WORDS] = 5
  masks[WORDS] = -1
  const id = table.add(keys, WORDS, masks, WORDS)
  assert.equal(table.findExact(keys, WORDS, masks, WORDS), id)
  assert.equal(table.find(keys, WORDS), id)
  assert.equal(table.find(keys, 0), 0)
})

test('different masks are bounded: one more is refused, not searched', () => {
  const table = new FlowTable(1000)
  const words = new Int32Array(WORDS)
  const ids = Array.from({ length: 300 }, (_, i) => table.add(words, 0, mask([3, i + 1])))
  assert.equal(table.masks, 256)
  assert.equal(ids.filter(id => id === 0).length, 44)
})
