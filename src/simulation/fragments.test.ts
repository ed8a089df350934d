// What is remembered of first fragments: each packet's own two names, and those of others, share
// places.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WORDS, Word } from '../flow/key.ts'
import { FragmentMemory } from './fragments.ts'

const wordsOf = (source: number): Int32Array => {
  const words = new Int32Array(WORDS)
  words[Word.ipSrc] = source
  words[Word.l4Ports] = 5000
  return words
}

test('how a packet leaves takes no place from how it came', () => {
  const memory = new FragmentMemory()
  for (let id = 0; id < 20_000; id++) {
    const whole = { id, next: 17 }
    memory.begin()
    memory.note('r', wordsOf(1), whole, id * 1000)
    memory.leaves('r', wordsOf(2), id * 1000)
    memory.begin()
    assert.ok(memory.find('r', wordsOf(1), whole, id * 1000), `as it came: ${id}`)
    assert.ok(memory.find('r', wordsOf(2), whole, id * 1000), `as it left: ${id}`)
  }
})

test('it is forgotten after a while, and by its name alone', () => {
  const memory = new FragmentMemory()
  const whole = { id: 7, next: 17 }
  memory.note('r', wordsOf(1), whole, 0)
  assert.ok(memory.find('r', wordsOf(1), whole, 14_999))
  assert.ok(!memory.find('r', wordsOf(1), { id: 8, next: 17 }, 0))
  assert.ok(!memory.find('s', wordsOf(1), whole, 0))
  assert.ok(!memory.find('r', wordsOf(1), whole, 15_000))
})
