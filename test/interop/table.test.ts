// The table of the grid says what was seen, and what was not and why.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cellsOf, kinds, nameOf, type Outcome } from './grid.ts'
import { table } from './table.ts'

const outcomes = (red: string | null): Outcome[] =>
  cellsOf(kinds).map(cell => {
    const lack = cell.kind.lacks[cell.show]
    if (lack !== undefined) return { cell, state: 'none', text: lack }
    return nameOf(cell) === red
      ? { cell, state: 'red', text: 'never came: a session' }
      : { cell, state: 'green', text: 'was seen' }
  })

test('G14 all four kinds, both families and all five columns are there', () => {
  const lines = table(outcomes(null), { BIRD: '2.0.12' }).split('\n')
  assert.deepEqual(lines[0]!.split(/ {2,}/), [
    '',
    'plain',
    'BFD',
    'MD5',
    'graceful restart',
    'ECMP'
  ])
  const rows = lines.slice(1, 9)
  for (const kind of ['FRR', 'BIRD', 'GoBGP', 'ExaBGP'])
    assert.deepEqual(
      rows.filter(row => row.startsWith(`${kind} `)).map(row => /v[46]/.exec(row)![0]),
      ['v4', 'v6']
    )
  assert.ok(rows.some(row => row.startsWith('BIRD 2.0.12 v4')))
  assert.equal(rows.join('\n').match(/was seen/g)!.length, 36)
})

test('what a kind cannot have is – and its reason, once for both families', () => {
  const lines = table(outcomes(null), {}).split('\n')
  assert.equal(lines.filter(line => line.startsWith('– ExaBGP, BFD: ')).length, 1)
  assert.match(lines.find(line => line.startsWith('GoBGP'))!, / – /)
})

test('a red cell is named, with what was wrong', () => {
  const text = table(outcomes('FRR v6 MD5'), {})
  assert.match(text, /^RED FRR v6 MD5: never came: a session$/m)
  assert.equal(text.match(/RED/g)!.length, 2)
})
