// The trie against a list that is searched from end to end.

import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { maskWord, type Prefix, prefixContains } from '../../../src/wire/address.ts'
import { casesOf } from '../../../test/cases.ts'
import { Trie } from './trie.ts'

const RUNS = { numRuns: casesOf(300), seed: 20 }

// Few distinct bits, so that prefixes nest and addresses hit them.
const wordArb = fc.oneof(
  fc.constantFrom(0, -1, 0x0a000000, 0x0a010000, 0x0a0100ff, 0x7fffffff, -0x80000000),
  fc.integer({ min: -0x80000000, max: 0x7fffffff })
)
const wordsArb = (family: 4 | 6): fc.Arbitrary<Int32Array> =>
  fc
    .tuple(wordArb, wordArb, wordArb, wordArb)
    .map(([a, b, c, d]) => (family === 4 ? Int32Array.of(0, 0, 0, d) : Int32Array.of(a, b, c, d)))
const prefixArb = (family: 4 | 6): fc.Arbitrary<Prefix> =>
  fc
    .tuple(wordsArb(family), fc.integer({ min: 0, max: family === 4 ? 32 : 128 }))
    .map(([words, length]) => ({ family, words, length }))

function fill(family: 4 | 6, prefixes: readonly Prefix[]): Trie<string> {
  const trie = new Trie<string>(family)
  for (const prefix of prefixes) trie.set(prefix.words, prefix.length, formatLength(prefix))
  return trie
}

// Prefixes that say the same hold the same value.
const formatLength = (prefix: Prefix): string => `/${prefix.length}`

const pathOf = (trie: Trie<string>, words: Int32Array): number[] => {
  trie.walk(words, 0)
  return [...trie.path.subarray(0, trie.pathCount)].map(node => trie.lengthOf(node))
}

const naive = (family: 4 | 6, prefixes: readonly Prefix[], words: Int32Array): number[] => [
  ...new Set(
    prefixes
      .filter(prefix => prefixContains(prefix, { family, words }))
      .map(prefix => prefix.length)
      .sort((a, b) => a - b)
  )
]

for (const family of [4, 6] as const) {
  const input = fc.tuple(
    fc.array(prefixArb(family), { maxLength: 40 }),
    fc.array(wordsArb(family), { minLength: 1, maxLength: 10 })
  )

  test(`IPv${family}: a walk finds the prefixes that contain the address, shortest first`, () => {
    fc.assert(
      fc.property(input, ([prefixes, addresses]) => {
        const trie = fill(family, prefixes)
        const inside = prefixes.map(({ words }) => words)
        for (const words of [...addresses, ...inside])
          assert.deepEqual(pathOf(trie, words), naive(family, prefixes, words))
      }),
      RUNS
    )
  })

  test(`IPv${family}: an address that agrees on the bits looked at takes the same path`, () => {
    fc.assert(
      fc.property(input, wordsArb(family), ([prefixes, addresses], noise) => {
        const trie = fill(family, prefixes)
        for (const words of addresses) {
          const path = pathOf(trie, words)
          const depth = trie.depth
          const other = words.map((word, i) => {
            const mask = family === 4 ? (i < 3 ? -1 : maskWord(depth)) : maskWord(depth - 32 * i)
            return (word & mask) | (noise[i]! & ~mask)
          })
          assert.deepEqual(pathOf(trie, other), path)
          assert.equal(trie.depth, depth)
        }
      }),
      RUNS
    )
  })
}

test('a prefix that was taken out is not found, and one that was set twice is there once', () => {
  const trie = new Trie<string>(4)
  const words = Int32Array.of(0, 0, 0, 0x0a000000)
  trie.set(words, 8, 'a')
  trie.set(words, 8, 'b')
  trie.set(words, 16, 'c')
  assert.equal(trie.size, 2)
  assert.equal(trie.get(words, 8), 'b')
  trie.set(words, 8, undefined)
  assert.equal(trie.size, 1)
  assert.equal(trie.get(words, 8), undefined)
  assert.deepEqual(pathOf(trie, words), [16])
})

test('with a default route only, no bit of the address is looked at', () => {
  const trie = fill(6, [{ family: 6, words: new Int32Array(4), length: 0 }])
  trie.walk(Int32Array.of(0x20010db8, 0, 0, 1), 0)
  assert.equal(trie.depth, 0)
})

test('bits are looked at up to where the address leaves the nearest prefix, and no further', () => {
  const trie = fill(4, [{ family: 4, words: Int32Array.of(0, 0, 0, 0x0a010000), length: 16 }])
  for (const [address, depth] of [
    [0x0a010203, 16],
    [0x0a000000, 16], // differs in the last bit of the prefix
    [0x8a010000, 1]
  ] as const) {
    trie.walk(Int32Array.of(0, 0, 0, address), 0)
    assert.equal(trie.depth, depth)
  }
})

test('after many changes a trie knows that it is worth building anew', () => {
  const trie = new Trie<string>(4)
  for (let i = 0; i < 1000; i++) {
    trie.set(Int32Array.of(0, 0, 0, i << 8), 24, 'x')
    trie.set(Int32Array.of(0, 0, 0, i << 8), 24, undefined)
  }
  assert.equal(trie.size, 0)
  assert.ok(trie.isWasteful)
})
