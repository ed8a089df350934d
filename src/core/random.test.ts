// Seeded chance repeats itself and spreads; both kinds keep within their bounds.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, SeededRandom, SystemRandom } from './random.ts'

const draw = (random: Random, n: number): number[] =>
  Array.from({ length: n }, () => random.below(6))

test('one seed gives one history, another seed another', () => {
  assert.deepEqual(draw(new SeededRandom(7), 50), draw(new SeededRandom(7), 50))
  assert.notDeepEqual(draw(new SeededRandom(7), 50), draw(new SeededRandom(8), 50))
})

test('first numbers of neighbouring seeds are spread over the range', () => {
  const firsts = Array.from({ length: 600 }, (_, seed) => new SeededRandom(seed).below(6))
  for (let face = 0; face < 6; face++) {
    const share = firsts.filter(first => first === face).length
    assert.ok(share > 60 && share < 140, `${share} of 600 seeds begin with ${face}`)
  }
})

for (const [name, random] of Object.entries({
  seeded: new SeededRandom(1),
  system: new SystemRandom()
}))
  test(`${name} chance keeps within its bounds`, () => {
    for (let i = 0; i < 1000; i++) {
      const n = random.below(3)
      assert.ok(n === 0 || n === 1 || n === 2)
      assert.equal(random.chance(0), false)
      assert.equal(random.chance(1), true)
      const word = random.uint32()
      assert.ok(Number.isInteger(word) && word >= 0 && word < 2 ** 32)
    }
    assert.equal(random.bytes(16).length, 16)
    assert.ok(new Set(random.bytes(256)).size > 100)
  })
