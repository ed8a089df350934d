// Keys of flow state: their hash is one number everywhere, their mirror is its own inverse.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  hasReturn,
  KEY_WORDS,
  keyHash,
  mirror,
  RECORD_WORDS,
  RecordWord,
  sameKey
} from './record.ts'

test('a key has one hash, in C as well', () => {
  // native/test/state-stress.c has the same
  const words = Int32Array.of(9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -2)
  assert.equal(keyHash(words, 1) >>> 0, 0x65cd76c8)
})

test('the mirror of the mirror is the key', () => {
  const key = fc.array(fc.integer(), { minLength: KEY_WORDS, maxLength: KEY_WORDS })
  fc.assert(
    fc.property(key, words => {
      const record = new Int32Array(RECORD_WORDS)
      record.set(words)
      mirror(record, 0, record, RecordWord.b)
      assert.equal(hasReturn(record), words[0] !== 0)
      const back = new Int32Array(KEY_WORDS)
      mirror(record, RecordWord.b, back, 0)
      assert.ok(sameKey(back, 0, record, 0))
    })
  )
})
