// What other plugins' control sides do with routes, on a real store.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControlSide } from '../../src/agent/control/control-side.ts'
import { loadResources } from '../../src/agent/resources.ts'
import { defineControl } from '../../src/control.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { silentLog } from '../../src/core/log.ts'
import { SystemRandom } from '../../src/core/random.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import router from './control.ts'
import { learnedTable, Routes } from './token.ts'

const clock = new SystemClock()
const asks = { kind: 'memory', ask: async () => undefined } as const
const ROUTER = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99'
const hop = { port: 'p', gateway: '10.0.0.1' }

async function open() {
  const store = await openSqliteStore({ models: modelsOf(await loadResources()), clock })
  let routes!: Routes
  const speaker = defineControl({
    name: 'speaker',
    needs: { routes: Routes },
    setup(given) {
      routes = given.routes
      return undefined
    }
  })
  const side = new ControlSide({
    controls: [speaker, router], // providers are set up before those who need them
    settings: { speaker: {}, router: {} },
    host: { id: 'h1', name: 'compute1' },
    ...{ store, clock, random: new SystemRandom(), log: silentLog(), asks }
  })
  await side.start()
  const rows = async () => {
    const entries = await store.table(learnedTable(ROUTER)).entries()
    return Object.fromEntries(entries.map(({ key, value }) => [key, value]))
  }
  return { store, side, routes, rows }
}

test('routes are put, replaced and withdrawn, each origin its own', async t => {
  const { store, side, routes, rows } = await open()
  t.after(async () => {
    await side.stop()
    await store.close()
  })
  await routes.put(ROUTER, 'bgp', '172.16.5.1/16', [hop])
  await routes.put(ROUTER, 'bgp', '172.17.0.0/16', [hop])
  await routes.put(ROUTER, 'other', '172.16.0.0/16', [{ port: 'q', weight: 7 }])
  await routes.put(ROUTER, 'bgp', '172.17.0.0/16', [{ ...hop, weight: 9 }])
  assert.deepEqual(await rows(), {
    'h1 bgp 172.16.0.0/16': JSON.stringify([hop]),
    'h1 bgp 172.17.0.0/16': JSON.stringify([{ ...hop, weight: 9 }]),
    'h1 other 172.16.0.0/16': JSON.stringify([{ port: 'q', weight: 7 }])
  })
  await routes.withdraw(ROUTER, 'bgp', '172.17.0.0/16')
  assert.deepEqual(Object.keys(await rows()), ['h1 bgp 172.16.0.0/16', 'h1 other 172.16.0.0/16'])
  await routes.withdraw(ROUTER, 'bgp')
  assert.deepEqual(Object.keys(await rows()), ['h1 other 172.16.0.0/16'])
})

test('many routes are changed at once; what is wrong with one is wrong with all', async t => {
  const { store, routes, rows } = await open()
  t.after(() => store.close())
  const prefixes = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
  const all = (nextHops: object[]) =>
    prefixes.map(prefix => ({ prefix, nextHops: nextHops as [typeof hop] }))
  await routes.change(ROUTER, 'bgp', all([hop]))
  assert.equal(Object.keys(await rows()).length, 3000)
  const table = store.table(learnedTable(ROUTER))
  const key = `h1 bgp ${prefixes[0]}`
  await table.put(key, 'by hand')
  await routes.change(ROUTER, 'bgp', all([hop]))
  assert.equal(await table.get(key), 'by hand', 'nothing new is nothing to write')
  await routes.change(ROUTER, 'bgp', all([{ ...hop, weight: 9 }]))
  assert.equal(await table.get(key), JSON.stringify([{ ...hop, weight: 9 }]))
  const bad = [...all([]), { prefix: '10.0.0.0/8', nextHops: [{ port: 'p', weight: -1 }] }]
  await assert.rejects(routes.change(ROUTER, 'bgp', bad), /nextHops.weight is -1/)
  assert.equal(Object.keys(await rows()).length, 3000)
  await routes.change(ROUTER, 'bgp', [
    { prefix: prefixes[0]!, nextHops: [] },
    { prefix: prefixes[1]!, nextHops: [] },
    { prefix: prefixes[1]!, nextHops: [{ ...hop, weight: 3 }] }
  ])
  assert.equal(Object.keys(await rows()).length, 2999)
  await routes.withdraw(ROUTER, 'bgp')
  assert.deepEqual(await rows(), {})
})

test('changes that come while earlier ones are stored: the last of a prefix stands', async t => {
  const { store, routes, rows } = await open()
  t.after(() => store.close())
  const writes: Promise<void>[] = []
  for (let i = 0; i < 50; i++) {
    const nextHops = i % 3 === 2 ? [] : [{ ...hop, weight: i }]
    writes.push(routes.change(ROUTER, 'bgp', [{ prefix: '10.0.0.0/8', nextHops }]))
  }
  writes.push(routes.put(ROUTER, 'bgp', '10.1.0.0/16', [hop]), routes.withdraw(ROUTER, 'bgp'))
  writes.push(routes.put(ROUTER, 'bgp', '10.2.0.0/16', [hop]))
  await Promise.all(writes)
  assert.deepEqual(Object.keys(await rows()), ['h1 bgp 10.2.0.0/16'])
})

test('what an earlier agent of the host has put is known, and can be taken back', async t => {
  const { store, routes, rows } = await open()
  t.after(() => store.close())
  const earlier = await store.fork('earlier')
  for (const key of ['h1 bgp 10.0.0.0/8', 'h1 bgp 10.1.0.0/16', 'h2 bgp 10.2.0.0/16'])
    await earlier.table(learnedTable(ROUTER)).put(key, JSON.stringify([hop]))
  await earlier.leave() // its entries stand until its session expires
  await routes.put(ROUTER, 'bgp', '10.1.0.0/16', [hop])
  assert.deepEqual(await routes.prefixes(ROUTER, 'bgp'), ['10.0.0.0/8', '10.1.0.0/16'])
  await routes.change(ROUTER, 'bgp', [{ prefix: '10.0.0.0/8', nextHops: [] }])
  assert.deepEqual(await routes.prefixes(ROUTER, 'bgp'), ['10.1.0.0/16'])
  assert.deepEqual(Object.keys(await rows()), ['h1 bgp 10.1.0.0/16', 'h2 bgp 10.2.0.0/16'])
})

test('what cannot be a route is refused by field', async t => {
  const { store, routes } = await open()
  t.after(() => store.close())
  const bad = [
    [['a b', '10.0.0.0/8', [hop]], /origin is a b/],
    [['bgp', 'nowhere', [hop]], /prefix is nowhere/],
    [['bgp', '10.0.0.0/8', []], /nextHops is 0/],
    [['bgp', '10.0.0.0/8', [{ port: 'p', gateway: '::1' }]], /nextHops.gateway is ::1/],
    [['bgp', '10.0.0.0/8', [{ port: 'p', weight: -1 }]], /nextHops.weight is -1/],
    [['bgp', '10.0.0.0/8', [{ port: 'p', share: 0 }]], /nextHops.share is 0/]
  ] as const
  for (const [[origin, prefix, hops], expected] of bad)
    await assert.rejects(routes.put(ROUTER, origin, prefix, hops), expected)
})

test('a need that no control side answers is a fault that names it', async t => {
  const { store } = await open()
  t.after(() => store.close())
  const alone = defineControl({ name: 'alone', needs: { routes: Routes }, setup: () => undefined })
  const given = { store, clock, random: new SystemRandom(), log: silentLog(), asks }
  const host = { id: 'h1', name: 'compute1' }
  assert.throws(
    () => new ControlSide({ controls: [alone], settings: { alone: {} }, host, ...given }),
    /alone needs routes/
  )
})
