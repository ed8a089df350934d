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

// Seed 2001: what was saved of a connection stood again after its reset had outlived its time.
test('D1: a connection that was reset, and a port that moves 15 s later', () => {
  const calm = { kind: 0, host: 0 }
  const events = Array.from({ length: 15 }, () => calm)
  events[1] = { kind: 5, host: 0 }
  events[5] = { kind: 2, host: 1 }
  events[7] = { kind: 6, host: 0 }
  const ways = [0, 3, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  const talk = { inward: false, vm: 0, far: 0, protocol: 0, ports: 0, ways, events }
  const net = { family: 4, hosts: 2, vms: [0], snat: 0, dnat: 0, guarded: false } as const
  assert.equal(undoes()({ ...net, talks: [{ ...talk, end: 3, againMs: 15_000 }] }), undefined)
})

test('uplinks that do not know of each other are found', () => {
  const run = { seed: 3, numRuns: 300, endOnFailure: true }
  assert.throws(() => check(undoes({ stateful: false }), run, undoPlans), /ORACLE_SEED=3, .* move /)
})
