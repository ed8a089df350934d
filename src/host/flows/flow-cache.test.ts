// The flow cache and the datapath it writes to: after every flush the datapath has the flows of the
// cache, and no others.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../../test/cases.ts'
import { Burst, FlowBatch, StatsBatch } from '../../datapath/datapath.ts'
import { MemoryDatapath } from '../../datapath/memory/memory.ts'
import { ActionList } from '../../flow/actions.ts'
import { WORDS } from '../../flow/key.ts'
import { CachePolicy } from '../../simulation/verdict.ts'
import { FlowCache, type NewFlow } from './flow-cache.ts'

const mask = new Int32Array(WORDS)
mask[0] = -1
const key = (n: number): Int32Array => {
  const words = new Int32Array(WORDS)
  words[0] = n
  return words
}
const flow = (out: number, tags: readonly number[] = []): NewFlow => {
  const actions = new ActionList()
  actions.output(out)
  return {
    actions,
    ttlMin: 0,
    cachePolicy: CachePolicy.normal,
    tags,
    tagCount: tags.length,
    now: 0
  }
}

function open(flowsMax = 100) {
  const sent: number[] = []
  const wire = { output: (ifindex: number) => sent.push(ifindex), tunnel: () => {} }
  const datapath = new MemoryDatapath(wire, { now: () => 0, flowsMax, creditsPerPort: 1 })
  for (let n = 1; n <= 8; n++)
    datapath.attach({ ifindex: n, name: `i${n}`, portClass: 0, peerRedirect: false })
  // Where a frame from the interface goes; undefined when no flow takes it.
  const probe = (n: number): number | undefined => {
    sent.length = 0
    datapath.input(n, new Uint8Array(14))
    datapath.receive(new Burst(4096))
    datapath.receive(new Burst(4096)) // gives the credit back
    return sent[0]
  }
  return { cache: new FlowCache(datapath), datapath, probe }
}

const step = fc.record({
  do: fc.constantFrom('add', 'add', 'remove', 'invalidate', 'reinstall', 'flush'),
  n: fc.integer({ min: 1, max: 8 }),
  out: fc.integer({ min: 1, max: 99 }),
  tags: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 })
})

test('after a flush the datapath has the flows of the cache, and no others', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), steps => {
      const { cache, datapath, probe } = open()
      const model = new Map<number, { id: number; out: number; tags: readonly number[] }>()
      for (const { do: what, n, out, tags } of [...steps, { ...LAST, do: 'flush' }]) {
        const known = model.get(n)
        if (what === 'add')
          model.set(n, { id: cache.add(key(n), mask, flow(out, tags)), out, tags })
        else if (what === 'remove' && known !== undefined) {
          cache.remove(known.id)
          model.delete(n)
        } else if (what === 'reinstall' && known !== undefined) cache.reinstall(known.id)
        else if (what === 'invalidate') {
          const gone = [...model].filter(([, each]) => each.tags.includes(n))
          assert.equal(cache.invalidate(n), gone.length)
          for (const [of] of gone) model.delete(of)
        } else if (what === 'flush') {
          cache.flush()
          assert.equal(cache.size, model.size)
          assert.equal(datapath.counters().flows, model.size)
          for (let i = 1; i <= 8; i++) assert.equal(probe(i), model.get(i)?.out)
        }
      }
    }),
    { seed: 1, numRuns: casesOf(500) }
  )
})

const LAST = { n: 1, out: 1, tags: [] as number[] }

test('a flow the datapath has no room for leaves the cache, counted', () => {
  const { cache, datapath } = open(3)
  const other = new FlowBatch(3)
  const actions = new ActionList()
  for (let n = 1; n <= 2; n++) other.add(50 + n, key(50 + n), mask, 0, actions)
  datapath.install(other)
  for (let n = 1; n <= 3; n++) cache.add(key(n), mask, flow(n))
  cache.flush()
  assert.deepEqual([cache.size, cache.refused], [1, 2])
})

test('a flow that cannot go in again does not stay in the datapath', () => {
  const { cache, datapath, probe } = open()
  const id = cache.add(key(1), mask, flow(11))
  cache.flush()
  const install = datapath.install.bind(datapath)
  datapath.install = batch => void batch.result.fill(0) // as when a kernel has no chunks left
  cache.reinstall(id)
  cache.flush()
  datapath.install = install
  cache.flush()
  assert.deepEqual([cache.size, probe(1)], [0, undefined])
})

test('a full cache refuses a new flow, and takes one in the place of its like', () => {
  const { cache, probe } = open(2)
  assert.ok(cache.add(key(1), mask, flow(11)) > 0)
  assert.ok(cache.add(key(2), mask, flow(12)) > 0)
  assert.equal(cache.add(key(3), mask, flow(13)), 0)
  cache.flush()
  assert.ok(cache.add(key(2), mask, flow(22)) > 0)
  cache.flush()
  assert.deepEqual([probe(1), probe(2), probe(3)], [11, 22, undefined])
})

test('flows beyond one batch go in and out all the same', () => {
  const { cache, datapath } = open(5000)
  for (let n = 1; n <= 3000; n++) cache.add(key(n), mask, flow(n, [7]))
  cache.flush()
  assert.equal(datapath.counters().flows, 3000)
  assert.equal(cache.invalidate(7), 3000)
  cache.flush()
  assert.equal(datapath.counters().flows, 0)
})

test('an adopted flow belongs to the cache under its new id, and goes when it is removed', () => {
  const { cache, datapath, probe } = open()
  const left = new FlowBatch(4)
  const actions = new ActionList()
  actions.output(9)
  left.add(77, key(1), mask, 0, actions)
  left.add(78, key(2), mask, 0, actions)
  datapath.install(left)
  const first = cache.adopt(left, 0, WORDS, flow(9))
  const second = cache.adopt(left, 1, WORDS, flow(9))
  assert.equal(cache.adopt(left, 1, WORDS, flow(9)), 0)
  cache.flush()
  assert.deepEqual([probe(1), probe(2), datapath.counters().flows], [9, 9, 2])
  cache.remove(first)
  cache.flush()
  assert.deepEqual([probe(1), probe(2)], [undefined, 9])
  cache.remove(second)
  cache.flush()
  assert.deepEqual([probe(1), probe(2), datapath.counters().flows], [undefined, undefined, 0])
})

test('the use of every flow is told, in slices', () => {
  const { cache, datapath } = open(100)
  for (let n = 1; n <= 50; n++) cache.add(key(n), mask, flow(n))
  cache.flush()
  const slice = new StatsBatch(8)
  const seen = new Set<number>()
  let cursor = 0
  do {
    datapath.stats(slice, cursor)
    for (let i = 0; i < slice.count; i++) seen.add(slice.ids[i]!)
    cursor = slice.next
  } while (cursor !== 0)
  assert.equal(seen.size, 50)
})

test('the cache answers for the flows it has put in, by id and key', () => {
  const { cache } = open()
  const id = cache.add(key(1), mask, flow(1))
  assert.equal(cache.holds(id, key(1), 0), false) // it is not in yet
  cache.flush()
  assert.equal(cache.holds(id, key(1), 0), true)
  assert.equal(cache.holds(id, key(2), 0), false)
  assert.equal(cache.holds(id + 1, key(1), 0), false)
  cache.remove(id)
  assert.equal(cache.holds(id, key(1), 0), false)
})
