// The store on ZooKeeper on bad days: connections cut amid changes, a server that dies, a partition
// longer than the session, a follower far behind, nodes edited by hand, large changes, access.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { LeaseServer } from '../../src/agent/lease-server.ts'
import { sleep } from '../../src/core/clock.ts'
import { silentLog } from '../../src/core/log.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { FaultProxy } from '../../src/lab/services/fault-proxy.ts'
import { missingForServer, ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import type { SqliteStore } from '../../src/topology/sqlite/store.ts'
import {
  openZooKeeperStore,
  type ZooKeeperStoreOptions
} from '../../src/topology/zookeeper/store.ts'
import { all, assertSame, pairs, Replica, refused, TableReplica } from '../store/ground.ts'
import { create, models, update } from '../store/models.ts'
import { clientOf, clock, closeClients, eventually, ready } from './clients.ts'

const skip = missingForServer() ?? false
const SESSION_MS = 4_000
let serial = 0

describe('the store on ZooKeeper on bad days', { skip }, () => {
  let server: ZooKeeperServer
  const direct = () => ({ host: server.address, port: server.port })
  before(async () => {
    server = await ZooKeeperServer.make()
    await server.start()
  })
  after(async () => {
    await closeClients()
    await server.close()
  })

  interface World {
    readonly chroot: string
    readonly proxy: FaultProxy
    /** Through the proxy, when that is asked for. */
    open(options?: Partial<ZooKeeperStoreOptions> & { via?: FaultProxy }): Promise<SqliteStore>
  }

  async function within(body: (world: World) => Promise<void>): Promise<void> {
    const chroot = `/store/${++serial}`
    const proxy = await FaultProxy.before(server.address, server.port)
    const stores: SqliteStore[] = []
    const open: World['open'] = async ({ via, ...options } = {}) => {
      const store = await openZooKeeperStore({
        ...{ servers: [via ?? direct()], chroot, models, clock, sessionMs: SESSION_MS },
        ...options
      })
      stores.push(store)
      return store
    }
    try {
      await body({ chroot, proxy, open })
    } finally {
      proxy.blackHole = proxy.refuse = false
      proxy.cutAll()
      await Promise.all(stores.map(store => store.close()))
      await proxy.close()
    }
  }

  // Who is away answers what it knows: both are back first.
  const same = async (a: SqliteStore, b: SqliteStore): Promise<void> => {
    for (const store of [a, b]) await eventually(() => store.tryWrite())
    for (const kind of ['host', 'team', 'seat'])
      assertSame(await all(a.list(kind)), await all(b.list(kind)))
    assert.deepEqual(await pairs(a.table('t')), await pairs(b.table('t')))
  }

  test('a change is made once, however often the connection is cut amid it', () =>
    within(async ({ proxy, open }) => {
      const sessionMs = 10_000
      const [a, b] = [await open({ via: proxy, sessionMs }), await open({ sessionMs })]
      const replica = new Replica(b, { kind: 'host' })
      const random = new SeededRandom(5)
      // Cut again and again, but only when something went through since.
      let done = 0
      let seen = -1
      let isDone = false
      const cuts = (async () => {
        while (!isDone) {
          await sleep(clock, random.below(20))
          if (done === seen) continue
          seen = done
          if (random.below(2) === 0) proxy.cutAll()
          else proxy.cutAfter = random.below(20)
        }
      })()
      const team = create('team', { members: [], size: 0 })
      await b.write([team])
      const count = async (): Promise<void> => {
        const { value, version } = (await b.read('team', team.value.id))!
        const size = (Number(value.size) + 1) % 10
        await b.write([update('team', { ...value, size }, version)])
      }
      const names: string[] = []
      for (let i = 0; i < 60; i++) {
        const host = create('host', { name: `h${i}` })
        const all = [a.write([host]), a.table('t').put(`k${i % 7}`, `${i}`), count()]
        await Promise.all(all).catch(error => {
          isDone = true
          throw error
        })
        names.push(`h${i}`)
        done++
      }
      isDone = true
      await cuts
      proxy.cutAfter = undefined
      const there = (await all(b.list('host'))).map(({ value }) => value.name)
      assert.deepEqual(there.sort(), names.sort(), 'each once, none refused as there already')
      assert.equal((await b.read('team', team.value.id))?.value.size, 0)
      await eventually(() => assert.equal(replica.objects.size, 60))
      await same(a, b)
    }))

  test('without a server it reads, watches and learns on; objects are refused', () =>
    within(async ({ open }) => {
      // As the product has it: on a busy machine one comes back long before the other.
      const lingerMs = 30_000
      const [a, b] = [await open({ lingerMs }), await open({ lingerMs })]
      const host = create('host', { name: 'known' })
      await a.write([host])
      await b.table('t').put('before', '1')
      const entries = new TableReplica(a.table('t'))
      await entries.ready
      assert.deepEqual(entries.sorted, [['before', '1']])
      await server.kill()
      let learned: Promise<void> | undefined
      try {
        await eventually(() => refused(a.tryWrite(), 'STORE_UNAVAILABLE', 'connection'))
        learned = b.table('t').put('meanwhile', '2')
        learned.catch(() => {}) // told below
        await refused(a.write([create('host', { name: 'new' })]), 'STORE_UNAVAILABLE', 'ZooKeeper')
        assert.deepEqual((await a.read('host', host.value.id))?.value, host.value)
        const late = new Replica(a, { kind: 'host' })
        await late.ready
        assert.equal(late.objects.size, 1)
        assert.deepEqual(entries.sorted, [['before', '1']])
      } finally {
        await server.start()
      }
      await learned
      await eventually(() => assert.equal(entries.entries.get('meanwhile'), '2'))
      await a.tryWrite()
      await a.write([create('host', { name: 'new' })])
      await same(a, b)
      assert.equal(entries.events.filter(event => event.op === 'delete').length, 0, 'no flap')
    }))

  test('INV-18 who is cut off for too long loses what it owns, and claims it again', () =>
    within(async ({ proxy, open }) => {
      const [a, b] = [await open({ via: proxy, session: 'away' }), await open()]
      await a.table('t').put('mine', 'x')
      await a.table('t').put('contested', 'a')
      const held = [await a.lease('kept', 1), await a.lease('taken', 1)]
      const watch = new TableReplica(b.table('t'))
      await eventually(() => assert.equal(watch.entries.size, 2))
      proxy.blackHole = true
      const stalled = a.table('t').put('late', 'z')
      stalled.catch(() => {}) // told below
      await eventually(() => assert.equal(watch.entries.size, 0))
      await b.table('t').put('contested', 'b')
      const won = await eventuallyLease(b, 'taken')
      assert.ok(won.epoch > held[1]!.epoch)
      proxy.blackHole = false
      proxy.cutAll()
      await stalled
      await eventually(() =>
        assert.deepEqual(watch.sorted, [
          ['contested', 'b'],
          ['late', 'z'],
          ['mine', 'x']
        ])
      )
      await held[1]!.release()
      assert.equal(await a.lease('taken', 1), undefined, 'a late release frees nothing')
      assert.equal(await b.lease('kept', 1), undefined, 'what nobody took is held as before')
      await same(a, b)
    }))

  test('an agent is told which of its leases others took meanwhile, and of no other', () =>
    within(async ({ proxy, open }) => {
      const [a, b] = [await open({ via: proxy }), await open()]
      const told: string[] = []
      const leases = new LeaseServer(a, silentLog(), {
        answered: (pool, block) => told.push(`${pool} has ${block}`),
        lost: (pool, block) => told.push(`${pool} lost ${block}`),
        lostAll: () => told.push('all')
      })
      for (const pool of ['kept', 'taken'])
        await leases.ask({ pool, blocks: 1, block: undefined, first: 0 })
      proxy.blackHole = true
      await eventuallyLease(b, 'taken')
      proxy.heal()
      await eventually(() => assert.deepEqual(told, ['kept has 0', 'taken has 0', 'taken lost 0']))
      await leases.release('taken', 0) // late
      assert.equal(await a.lease('taken', 1), undefined)
      assert.equal(await b.lease('kept', 1), undefined)
    }))

  test('who is cut off a second time has the whole time again until what it learned goes', () =>
    within(async ({ proxy, open }) => {
      const lingerMs = 8_000
      const a = await open({ via: proxy, session: 'away', lingerMs })
      const b = await open({ lingerMs })
      await a.table('t').put('mine', 'x')
      for (const time of ['first', 'second']) {
        assert.ok(await a.lease(time, 1))
        proxy.blackHole = true
        await (await eventuallyLease(b, time)).release() // it is known to be away
        assert.deepEqual(await pairs(b.table('t')), [['mine', 'x']], `the ${time} time`)
        proxy.heal()
        await eventually(() => a.tryWrite())
        await sleep(clock, lingerMs)
      }
    }))

  test('who was away for more than is kept reads everything anew, and tells the difference', () =>
    within(async ({ proxy, open }) => {
      const baseEvery = 50
      const a = await open({ baseEvery })
      const b = await open({ via: proxy, baseEvery, sessionMs: 10_000 })
      const first = create('host', { name: 'goes' })
      await a.write([first, create('host', { name: 'stays' })])
      const replica = new Replica(b, { kind: 'host' })
      await eventually(() => assert.equal(replica.objects.size, 2))
      proxy.refuse = true
      proxy.cutAll()
      await a.write([{ op: 'delete', kind: 'host', id: first.value.id }])
      for (let i = 0; i < 620; i++) await a.write([create('host', { name: `n${i}` })])
      const zk = await ready(clientOf([direct()], { chroot: `/store/${serial}` }))
      await eventually(async () => {
        const kept = (await zk.children('/log'))!.length
        assert.ok(kept < 600, `${kept} changes are kept`)
      })
      proxy.refuse = false
      await eventually(() => assert.equal(replica.objects.size, 621))
      await same(a, b)
      const c = await open({ baseEvery })
      await same(a, c)
    }))

  test('a change larger than a node stands in parts', () =>
    within(async ({ chroot, open }) => {
      const [a, b] = [await open(), await open()]
      const random = new SeededRandom(9)
      const name = (i: number) => `${Buffer.from(random.bytes(120)).toString('hex')}${i}`
      const hosts = Array.from({ length: 4000 }, (_, i) => create('host', { name: name(i) }))
      await a.write(hosts)
      const zk = await ready(clientOf([direct()], { chroot }))
      assert.ok((await zk.children('/parts'))!.length > 1)
      await same(a, b)
    }))

  test('a foreign or later layout, and a change edited by hand, are refused by name', () =>
    within(async ({ chroot, open }) => {
      const a = await open()
      const zk = await ready(clientOf([direct()], { chroot }))
      const schema = (await zk.get('/schema'))!.data
      const withSchema = async (text: string): Promise<void> => zk.set('/schema', Buffer.from(text))
      await withSchema('{"version":9,"tables":2,"id":"x"}')
      await refused(open(), 'STORE_FILE', chroot, 'layout is 9', 'knows layout 2')
      await withSchema('nonsense')
      await refused(open(), 'STORE_FILE', chroot, 'not ours')
      await zk.set('/schema', schema)
      const host = create('host', { name: 'a' })
      await a.write([host])
      const next = Math.max(...(await zk.children('/log'))!.map(Number)) + 1
      await zk.create(`/log/${String(next).padStart(12, '0')}`, Buffer.from('by hand'))
      await eventually(() =>
        refused(a.tryWrite(), 'STORE_UNAVAILABLE', `${next}`, 'not what Mezzo')
      )
      const write = a.write([create('host', { name: 'b' })])
      await refused(write, 'STORE_UNAVAILABLE', 'not what Mezzo')
      assert.deepEqual((await a.read('host', host.value.id))?.value, host.value)
    }))

  test('a name and password that are wrong, and no server, are said at the start', () =>
    within(async ({ open }) => {
      const credentials = { username: 'mezzo', password: 'right' }
      const a = await open({ credentials })
      await a.write([create('host', { name: 'a' })])
      const wrong = { ...credentials, password: 'wrong' }
      await refused(open({ credentials: wrong }), 'STORE_UNAVAILABLE', 'name and password')
      const nobody = [{ host: '127.0.9.3', port: 1 }]
      const none = open({ servers: nobody, openMs: 2_000 })
      await refused(none, 'STORE_UNAVAILABLE', '127.0.9.3:1', 'ECONNREFUSED')
    }))
})

async function eventuallyLease(store: SqliteStore, pool: string) {
  let lease = await store.lease(pool, 1)
  await eventually(async () => {
    lease ??= await store.lease(pool, 1)
    assert.ok(lease !== undefined)
  })
  return lease!
}
