// Who makes room in a full table: the interfaces with most flows, and of those the oldest.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDatapath } from '../../datapath/memory/memory.ts'
import { ActionList } from '../../flow/actions.ts'
import { WORDS, Word } from '../../flow/key.ts'
import { leastUseful } from './eviction.ts'
import { FlowCache } from './flow-cache.ts'

const mask = new Int32Array(WORDS)
mask[Word.inPort] = mask[Word.l4Ports] = -1
const actions = new ActionList()

// `flows[i]` flows of interface i + 1; each was used later than the one before it.
function cacheOf(...flows: readonly number[]): FlowCache {
  const wire = { output: () => {}, tunnel: () => {} }
  const cache = new FlowCache(new MemoryDatapath(wire, { now: () => 0, flowsMax: 50_000 }))
  for (const [i, count] of flows.entries())
    for (let n = 0; n < count; n++) {
      const key = new Int32Array(WORDS)
      key[Word.inPort] = i + 1
      key[Word.l4Ports] = n
      cache.add(key, mask, { actions, ttlMin: 0, cachePolicy: 0, tags: [], tagCount: 0, now: n })
    }
  return cache
}

function gone(cache: FlowCache, want: number): number[] {
  const count: number[] = []
  for (const id of leastUseful(cache, want)) {
    const port = cache.table.word(id, Word.inPort)
    count[port - 1] = (count[port - 1] ?? 0) + 1
  }
  return Array.from(count, each => each ?? 0)
}

test('the port that floods makes room, others keep theirs', () => {
  assert.deepEqual(gone(cacheOf(900, 50, 50), 100), [100])
  assert.deepEqual(gone(cacheOf(50, 900, 50), 870), [7, 857, 7])
  assert.deepEqual(gone(cacheOf(300, 200, 10), 200), [150, 50])
  assert.deepEqual(gone(cacheOf(100, 100, 100), 30), [10, 10, 10])
  assert.deepEqual(gone(cacheOf(5, 5), 100), [5, 5])
  assert.deepEqual(gone(cacheOf(), 100), [])
})

test('of a port those go that were unused for longest', () => {
  const cache = cacheOf(100)
  const times = leastUseful(cache, 10).map(id => cache.get(id)!.usedMs)
  assert.deepEqual(times.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('of very many a sample says which: nearly those, never more than were asked for', () => {
  const cache = cacheOf(40_000, 100)
  const ids = leastUseful(cache, 4000)
  assert.ok(ids.length > 3900 && ids.length <= 4000, `${ids.length}`)
  for (const id of ids) assert.ok(cache.get(id)!.usedMs < 4100)
  assert.equal(new Set(ids).size, ids.length)
})
