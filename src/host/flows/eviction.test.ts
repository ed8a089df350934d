// Who makes room in a full table: the interfaces with most flows, and of those the oldest.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDatapath } from '../../datapath/memory/memory.ts'
import { ActionList } from '../../flow/actions.ts'
import { WORDS, Word } from '../../flow/key.ts'
import { FlowBook } from './book.ts'
import { leastUseful } from './eviction.ts'

const mask = new Int32Array(WORDS)
mask[Word.inPort] = mask[Word.l4Ports] = -1
const actions = new ActionList()

// `flows[i]` flows of interface i + 1; each was used later than the one before it.
function bookOf(...flows: readonly number[]): FlowBook {
  const wire = { output: () => {}, tunnel: () => {} }
  const book = new FlowBook(new MemoryDatapath(wire, { now: () => 0, flowsMax: 50_000 }))
  for (const [i, count] of flows.entries())
    for (let n = 0; n < count; n++) {
      const key = new Int32Array(WORDS)
      key[Word.inPort] = i + 1
      key[Word.l4Ports] = n
      book.add(key, mask, { actions, ttlMin: 0, lifetime: 0, tags: [], tagCount: 0, now: n })
    }
  return book
}

function gone(book: FlowBook, want: number): number[] {
  const count: number[] = []
  for (const id of leastUseful(book, want)) {
    const port = book.table.word(id, Word.inPort)
    count[port - 1] = (count[port - 1] ?? 0) + 1
  }
  return Array.from(count, each => each ?? 0)
}

test('the port that floods makes room, others keep theirs', () => {
  assert.deepEqual(gone(bookOf(900, 50, 50), 100), [100])
  assert.deepEqual(gone(bookOf(50, 900, 50), 870), [7, 857, 7])
  assert.deepEqual(gone(bookOf(300, 200, 10), 200), [150, 50])
  assert.deepEqual(gone(bookOf(100, 100, 100), 30), [10, 10, 10])
  assert.deepEqual(gone(bookOf(5, 5), 100), [5, 5])
  assert.deepEqual(gone(bookOf(), 100), [])
})

test('of a port those go that were unused for longest', () => {
  const book = bookOf(100)
  const times = leastUseful(book, 10).map(id => book.get(id)!.usedMs)
  assert.deepEqual(times.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('of very many a sample says which: nearly those, never more than were asked for', () => {
  const book = bookOf(40_000, 100)
  const ids = leastUseful(book, 4000)
  assert.ok(ids.length > 3900 && ids.length <= 4000, `${ids.length}`)
  for (const id of ids) assert.ok(book.get(id)!.usedMs < 4100)
  assert.equal(new Set(ids).size, ids.length)
})
