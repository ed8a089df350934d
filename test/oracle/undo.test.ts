// The third oracle on memory, and that it is not blind.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { check, runs } from './oracle.ts'
import { movingPlans, undoes, undoPlans } from './undo.ts'

test('INV-04 reply undoes request, by any member of the group', () => {
  check(undoes(), runs(20_260_107, 150), undoPlans)
})

test('D1: reply undoes request, while ports move, agents begin anew, connections end', () => {
  check(undoes(), runs(20_261_128, 200), movingPlans)
})

test('uplinks that do not know of each other are found', () => {
  const run = { seed: 3, numRuns: 300, endOnFailure: true }
  assert.throws(() => check(undoes({ stateful: false }), run, undoPlans), /ORACLE_SEED=3, .* move /)
})
