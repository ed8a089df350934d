// The matrix on memory (G13): packets right at the edges.  `npm run check` plays a part of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cells } from './cells.ts'
import { play, tell } from './play.ts'
import { surprises } from './red.ts'

const SHARE = Number(process.env.ORACLE_SHARE ?? 1)
const TOLD_MAX = 5

test('G13 every cell of the matrix is green on memory', t => {
  const all = cells()
  assert.ok(all.length >= 250)
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length, 'a name for each')
  const some = all.filter((_, i) => Math.floor(i * SHARE) !== Math.floor((i + 1) * SHARE))
  const odd = surprises(play(some))
  t.diagnostic(`${some.length} cells of ${all.length}`)
  const told = odd.slice(0, TOLD_MAX).map(tell).join('\n\n')
  assert.equal(odd.length, 0, `${odd.length} cells, of which\n${told}`)
})
