// What is learned, on its way to the store: what there is no room for costs it nothing, and what is
// taken back late takes back nothing that has been learned anew.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SystemClock } from '../../../src/core/clock.ts'
import { CounterTable } from '../../../src/core/counters.ts'
import { silentLog } from '../../../src/core/log.ts'
import type { LearnedRoute, Routes } from '../../router/token.ts'
import { Damping } from './damping.ts'
import { LearnedRoutes } from './learned-routes.ts'
import { uplinkCounters } from './uplink.ts'

const clock = new SystemClock()

/** Routes as a store has them that answers questions when the test says so. */
function ground() {
  const counters = uplinkCounters(new CounterTable())
  const stored = new Map<string, LearnedRoute>()
  const told: LearnedRoute[] = []
  const questions: (() => void)[] = []
  const routes: Pick<Routes, 'change' | 'prefixes' | 'withdraw'> = {
    change: async (_router, _origin, changes) => {
      told.push(...changes)
      for (const each of changes)
        if (each.nextHops.length === 0) stored.delete(each.prefix)
        else stored.set(each.prefix, each)
    },
    prefixes: async () => {
      await new Promise<void>(done => questions.push(done))
      return [...stored.keys()]
    },
    withdraw: async () => stored.clear()
  }
  const never = { dampFirstMs: 0, dampMaxMs: 0, dampForgetMs: 1000 }
  const damping = new Damping(clock, never, () => {})
  const parts = { routes: routes as Routes, log: silentLog(), ...counters, damping }
  const learned = new LearnedRoutes(parts, 'router', 'port', 'bgp')
  return { learned, stored, told, questions, counters }
}

const hops = [{ gateway: '192.0.2.1', share: 1 }]
const change = (n: number) => ({ prefix: `10.${n >> 8}.${n & 255}.0/24`, hops })
const turns = () => new Promise<void>(done => clock.soon(done))

test('what there is no room for is not told to the store', () => {
  const { learned, stored, told, counters } = ground()
  const all = Array.from({ length: 65_536 }, (_, n) => change(n))
  learned.take({ changes: all, isComplete: true })
  assert.equal(stored.size, 65_536)
  told.length = 0
  learned.take({ changes: [{ prefix: '172.16.0.0/16', hops }], isComplete: true })
  assert.equal(counters.full.value, 1)
  assert.deepEqual(told, [])
  learned.take({ changes: [{ prefix: '172.17.0.0/16', hops: [] }], isComplete: true })
  assert.deepEqual(told, [], 'nor that it is gone')
})

test('what is learned after all was taken back stays, however late the store answers', async () => {
  const { learned, stored, questions } = ground()
  learned.take({ changes: [change(1)], isComplete: false })
  learned.withdraw()
  assert.equal(learned.count, 0)
  learned.replay()
  learned.take({ changes: [change(1), change(2)], isComplete: false })
  for (const answer of questions.splice(0)) answer()
  await turns()
  assert.deepEqual([...stored.keys()], ['10.0.1.0/24', '10.0.2.0/24'])
})

test('what an earlier agent has said goes when all has been told anew', async () => {
  const { learned, stored, questions } = ground()
  stored.set('10.9.9.0/24', { prefix: '10.9.9.0/24', nextHops: [{ port: 'port' }] })
  learned.replay()
  learned.take({ changes: [change(1)], isComplete: true })
  for (const answer of questions.splice(0)) answer()
  await turns()
  assert.deepEqual([...stored.keys()], ['10.0.1.0/24'])
})
