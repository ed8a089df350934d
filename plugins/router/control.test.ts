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
    ...{ store, clock, random: new SystemRandom(), log: silentLog() }
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
  const given = { store, clock, random: new SystemRandom(), log: silentLog() }
  const host = { id: 'h1', name: 'compute1' }
  assert.throws(
    () => new ControlSide({ controls: [alone], settings: { alone: {} }, host, ...given }),
    /alone needs routes/
  )
})
