// The matrix on memory (G13): packets right at the edges.  `npm run check` plays a part of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SHARE } from '../cases.ts'
import { type Cell, cells } from './cells.ts'
import { play, tell } from './play.ts'

const TOLD_MAX = 5

function areGreen(some: readonly Cell[]): void {
  assert.ok(some.length > 0)
  const wrong = play(some).filter(each => each.wrong !== undefined)
  const told = wrong.slice(0, TOLD_MAX).map(tell).join('\n\n')
  assert.equal(wrong.length, 0, `${wrong.length} cells, of which\n${told}`)
}

test('G13 every cell of the matrix is green on memory', t => {
  const all = cells()
  assert.ok(all.length >= 250)
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length, 'a name for each')
  const some = all.filter((_, i) => Math.floor(i * SHARE) !== Math.floor((i + 1) * SHARE))
  t.diagnostic(`${some.length} cells of ${all.length}`)
  areGreen(some)
})

// A world of its own for each: what its first packets wait for is not there yet.
for (const [name, words] of [
  ['B4: pieces before the first of their packet wait for it', 'first request in pieces, reversed'],
  ['B13: pieces do not overtake the first, which waits for its state', 'in pieces, in order']
] as const)
  test(name, () => {
    for (const cell of cells())
      if (cell.place === 'far' && cell.id.endsWith(words)) areGreen([cell])
  })
