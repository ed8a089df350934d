// The third oracle on memory, and that it is not blind.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventPlan } from './events.ts'
import { check, runs } from './oracle.ts'
import { movingPlans, undoes, undoPlans } from './undo.ts'

test('INV-04 reply undoes request, by any member of the group', () => {
  check(undoes(), runs(20_260_107, 150), undoPlans)
})

test('D1: reply undoes request, while ports move, agents begin anew, connections end', () => {
  check(undoes(), runs(20_261_128, 200), movingPlans)
})

// What seeds have found: what happens before which packet, and what follows the first talk.
const found = {
  // What was saved of it stood again after its reset had outlived its time.
  'a connection is reset, and 15 s later a port moves': {
    ways: [0, 3, 3, 0, 1],
    happens: { 1: { kind: 5, host: 0 }, 5: { kind: 2, host: 1 }, 7: { kind: 6, host: 0 } },
    after: { end: 3, againMs: 15_000 },
    hosts: 2
  },
  // Its agent did not know yet who shares the ports, and asked itself again after eight seconds.
  'a host loses its last port before its new agent knows the groups': {
    ways: [],
    happens: { 6: { kind: 6, host: 1 }, 7: { kind: 2, host: 1 } },
    after: { end: 0, againMs: 20 },
    hosts: 3
  }
}

for (const [name, { ways, happens, after, hosts }] of Object.entries(found))
  test(`D1: ${name}`, () => {
    const each = Array.from({ length: 15 }, (_, i) => i)
    const events = each.map(i => (happens as Record<number, EventPlan>)[i] ?? { kind: 0, host: 0 })
    const who = { inward: false, vm: 0, far: 0, protocol: 0, ports: 0 }
    const talk = { ...who, ...after, events, ways: each.map(i => ways[i] ?? 0) }
    const net = { family: 4, vms: [0], snat: 0, dnat: 0, guarded: false } as const
    assert.equal(undoes()({ ...net, hosts, talks: [talk] }), undefined)
  })

test('uplinks that do not know of each other are found', () => {
  const run = { seed: 3, numRuns: 300, endOnFailure: true }
  assert.throws(() => check(undoes({ stateful: false }), run, undoPlans), /ORACLE_SEED=3, .* move /)
})
