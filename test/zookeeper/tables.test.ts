// The tables that machines share on ZooKeeper: who has not asked for one hears nothing of it, a
// change costs what it is and not what the table is, one that nobody needs is let go, and whatever
// becomes of connections, bases and nodes edited by hand, all who look see the same.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { sleep } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { FaultProxy } from '../../src/lab/services/fault-proxy.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import type { SqliteStore } from '../../src/topology/sqlite/store.ts'
import {
  openZooKeeperStore,
  type ZooKeeperStoreOptions
} from '../../src/topology/zookeeper/store.ts'
import { casesOf } from '../cases.ts'
import { assertSame, pairs, TableReplica } from '../store/ground.ts'
import { models } from '../store/models.ts'
import { clientOf, clock, closeClients, eventually, ready } from './clients.ts'
import { type SharedServer, sharedServer } from './shared.ts'

const skip = missingForServer() ?? false
let serial = 0

const count = (store: SqliteStore, name: string): number => store.report().counters[name]!
const gauge = (store: SqliteStore, name: string): number => store.report().gauges[name]!

describe('tables that machines share', { skip }, () => {
  let server: SharedServer
  const direct = () => ({ host: server.address, port: server.port })
  before(async () => {
    server = await sharedServer()
  })
  after(async () => {
    await closeClients()
    await server.close()
  })

  interface World {
    readonly chroot: string
    open(options?: Partial<ZooKeeperStoreOptions>): Promise<SqliteStore>
  }

  async function within(body: (world: World) => Promise<void>): Promise<void> {
    const chroot = `/tables/${++serial}`
    const stores: SqliteStore[] = []
    const open: World['open'] = async options => {
      const common = { servers: [direct()], chroot, models, clock, sessionMs: 10_000 }
      const store = await openZooKeeperStore({ ...common, ...options })
      stores.push(store)
      return store
    }
    try {
      await body({ chroot, open })
    } finally {
      await Promise.all(stores.map(store => store.close()))
    }
  }

  test('who has not asked for a table holds no watch on it and receives nothing of it', () =>
    within(async ({ open }) => {
      const [a, b] = [await open({ session: 'a' }), await open({ session: 'b' })]
      await a.table('wanted').put('first', 'v')
      const wanted = new TableReplica(b.table('wanted'))
      await wanted.ready
      const watches = gauge(b, 'watches')
      const [received, events] = [count(b, 'table-applied'), count(b, 'events')]
      for (let i = 0; i < 50; i++) await a.table(`other ${i % 5}`).put(`k${i}`, 'x')
      assert.equal(gauge(a, 'tables'), 6)
      await a.table('wanted').put('k', 'v')
      await eventually(() => assert.equal(wanted.sorted.length, 2))
      assert.equal(count(b, 'table-applied') - received, 1)
      const more = count(b, 'events') - events
      assert.ok(more <= 2, `${more} events`)
      assert.equal(gauge(b, 'tables'), 1)
      await eventually(() => assert.equal(gauge(b, 'watches'), watches))
    }))

  test('INV-18 a table that nobody needs is let go, and read again when somebody does', () =>
    within(async ({ open }) => {
      const [a, b] = [await open(), await open({ tableIdleMs: 50 })]
      const ofItself = 3 // the next change, the base, who is alive
      await eventually(() => assert.equal(gauge(b, 'watches'), ofItself))
      await a.table('t').put('k', '1')
      const first = new TableReplica(b.table('t'))
      await eventually(() => assert.deepEqual(first.sorted, [['k', '1']]))
      assert.ok(gauge(b, 'watches') > ofItself)
      first.close()
      await eventually(() => assert.equal(gauge(b, 'tables'), 0))
      await eventually(() => assert.equal(gauge(b, 'watches'), ofItself))
      await a.table('t').put('k', '2')
      assert.deepEqual(await pairs(b.table('t')), [['k', '2']])
      await b.table('t').put('mine', '3')
      await sleep(clock, 300)
      assert.equal(gauge(b, 'tables'), 1, 'one with rows of ours stays')
    }))

  test('many changes become a base; newcomers and those who fell behind see the same', () =>
    within(async ({ chroot, open }) => {
      const proxy = await FaultProxy.before(server.address, server.port)
      try {
        const [a, b] = [await open(), await open({ servers: [proxy] })]
        const behind = new TableReplica(b.table('t'))
        await behind.ready
        proxy.refuse = true
        proxy.cutAll()
        for (let i = 0; i < 300; i++) await a.table('t').put(`k${i % 40}`, `${i}`)
        const zk = await ready(clientOf([direct()], { chroot }))
        const changes = (await zk.children('/tables/t'))!
        assert.ok(changes.length < 150, `${changes.length} changes are kept`)
        proxy.refuse = false
        const truth = await pairs(a.table('t'))
        assert.equal(truth.length, 40)
        await eventually(() => assertSame(behind.sorted, truth))
        assert.ok(count(b, 'table-reloads') > 0)
        const late = await open()
        assertSame(await pairs(late.table('t')), truth)
      } finally {
        await proxy.close()
      }
    }))

  test('INV-18 rows of a session that ended are in no base; a seed is', () =>
    within(async ({ open }) => {
      const [a, b] = [await open(), await open()]
      await a.table('t').seed('seed', 's')
      for (let i = 0; i < 20; i++) await a.table('t').put(`gone${i}`, 'x')
      await a.close()
      for (let i = 0; i < 200; i++) await b.table('t').put('k', `${i}`)
      const late = await open()
      assert.deepEqual(await pairs(late.table('t')), [
        ['k', '199'],
        ['seed', 's']
      ])
      assert.equal(gauge(late, 'table-rows'), 2)
    }))

  test('what owners that are gone have left goes, and the table with its last row', () =>
    within(async ({ chroot, open }) => {
      const tableSweepMs = 100
      const [a, b] = [await open({ tableSweepMs }), await open({ tableSweepMs })]
      await b.table('kept').seed('s', 'seed')
      for (const name of ['kept', 'left', 'followed'])
        for (let i = 0; i < 10; i++) await b.table(name).put(`k${i}`, 'x')
      const follower = new TableReplica(a.table('followed'))
      await eventually(() => assert.equal(follower.entries.size, 10))
      await b.close()
      const zk = await ready(clientOf([direct()], { chroot }))
      await eventually(async () => assert.deepEqual(await zk.children('/tables'), ['kept']))
      assert.equal(follower.entries.size, 0)
      assert.deepEqual(await pairs(a.table('kept')), [['s', 'seed']])
      const c = await open()
      await c.table('followed').put('k', 'again')
      await eventually(() => assert.deepEqual(follower.sorted, [['k', 'again']]))
      await eventually(() => assert.equal(gauge(a, 'tables'), 2))
    }))

  test('a node edited by hand is refused by its path; other tables go on; mended, it does', () =>
    within(async ({ chroot, open }) => {
      const [a, b] = [await open(), await open()]
      await a.table('bad').put('k', '1')
      const replica = new TableReplica(b.table('bad'))
      await eventually(() => assert.deepEqual(replica.sorted, [['k', '1']]))
      const zk = await ready(clientOf([direct()], { chroot }))
      const n = await zk.append('/tables/bad', Buffer.from('by hand'))
      const path = `/tables/bad/${String(n).padStart(10, '0')}`
      await eventually(() => assert.match(b.report().fault ?? '', new RegExp(path)))
      assert.deepEqual(await pairs(b.table('bad')), [['k', '1']], 'what was there is served')
      await a.table('good').put('k', '2')
      assert.deepEqual(await pairs(b.table('good')), [['k', '2']])
      await zk.remove(path)
      await eventually(() => assert.equal(b.report().fault, undefined))
      await eventually(() => a.table('bad').put('k', '3'))
      await eventually(() => assert.deepEqual(replica.sorted, [['k', '3']]))
    }))

  test('INV-19 of many who write the same keys, cut off again and again, all see the same', t =>
    within(async ({ open }) => {
      const seed = casesOf(1) + 41
      t.diagnostic(`seed ${seed}`)
      const random = new SeededRandom(seed)
      const proxies = await Promise.all(
        [1, 2, 3].map(() => FaultProxy.before(server.address, server.port))
      )
      try {
        const stores: SqliteStore[] = []
        for (const proxy of proxies) stores.push(await open({ servers: [proxy] }))
        const replicas = stores.map(store => new TableReplica(store.table('t')))
        let isDone = false
        // Cut again and again, but only when something went through since.
        let done = 0
        let seen = -1
        const cuts = (async () => {
          while (!isDone) {
            await sleep(clock, 20 + random.below(60))
            if (done === seen) continue
            seen = done
            const proxy = proxies[random.below(3)]!
            if (random.below(2) === 0) proxy.cutAll()
            else proxy.cutAfter = random.below(40)
          }
        })()
        for (let i = 0; i < 40; i++)
          await Promise.all(
            stores.map(async store => {
              const key = `k${random.below(12)}`
              const table = store.table('t')
              await (random.below(5) === 0 ? table.remove(key) : table.put(key, store.session))
              done++
            })
          )
        isDone = true
        await cuts
        for (const proxy of proxies) proxy.cutAfter = undefined
        // Who is away answers what it knows.
        for (const store of stores) await eventually(() => store.tryWrite())
        const truth = await pairs(stores[0]!.table('t'))
        await eventually(() => {
          for (const replica of replicas) assertSame(replica.sorted, truth)
        })
        const unknown = stores.map(store => count(store, 'table-unknown'))
        t.diagnostic(`changes whose outcome was found out: ${unknown.join(', ')}`)
      } finally {
        await Promise.all(proxies.map(proxy => proxy.close()))
      }
    }))

  test('one row changes in a table of a hundred thousand: what is read is that row', t =>
    within(async ({ open }) => {
      const [a, b] = [await open(), await open()]
      const count = casesOf(100_000)
      const table = a.table('mac')
      const begin = clock.now()
      const key = (i: number): string => `fa:16:3e:00:00:${i}`
      for (let at = 0; at < count; at += 4096)
        await Promise.all(
          Array.from({ length: Math.min(4096, count - at) }, (_, i) =>
            table.put(key(at + i), crypto.randomUUID())
          )
        )
      t.diagnostic(`${count} rows stored in ${Math.round(clock.now() - begin)} ms`)
      const readFrom = clock.now()
      let heard = (): void => {}
      const told: number[] = []
      const watch = b.table('mac').watch(events => {
        told.push(events.length)
        heard()
      })
      await watch.ready
      t.diagnostic(`read by a newcomer in ${Math.round(clock.now() - readFrom)} ms`)
      told.length = 0
      const times: number[] = []
      for (let i = 0; i < 200; i++) {
        const from = clock.now()
        const arrived = new Promise<void>(done => {
          heard = done
        })
        await table.put(key((i * 7919) % count), `moved ${i}`)
        await arrived
        times.push(clock.now() - from)
      }
      times.sort((x, y) => x - y)
      const ms = (at: number): string => times[at]!.toFixed(1)
      t.diagnostic(`ms from put to the other's watch: p50 ${ms(100)}, p99 ${ms(198)}`)
      assert.deepEqual(new Set(told), new Set([1]), 'each is told alone')
      assert.equal(told.length, 200)
    }))
})
