// Sessions on an ensemble of three servers, each behind proxies of its own, that write, learn and
// take leases all the time while servers die, stall and come back, connections end amid a frame,
// one is cut off, one process is stopped.  Then all see the same, and nothing is owned twice.

import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { sleep } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { FaultProxy } from '../../src/lab/services/fault-proxy.ts'
import { missingForServer, ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import type { SqliteStore } from '../../src/topology/sqlite/store.ts'
import { openZooKeeperStore } from '../../src/topology/zookeeper/store.ts'
import { pairs } from '../store/ground.ts'
import { models } from '../store/models.ts'
import { Other } from '../store/process.ts'
import { clock, eventually } from './clients.ts'
import { History } from './history.ts'

const skip = missingForServer() ?? false
const SESSION_MS = 4_000
const LINGER_MS = 30_000
const SEED = Number(process.env.ORACLE_SEED ?? 11)
const timeout = 300_000
let serial = 0

describe('sessions on an ensemble', { skip }, () => {
  let servers: readonly ZooKeeperServer[]
  before(async () => {
    servers = await ZooKeeperServer.ensemble(3)
    await Promise.all(servers.map(server => server.start()))
  })
  after(() => Promise.all(servers.map(server => server.close())))

  interface World {
    readonly chroot: string
    readonly stores: readonly SqliteStore[]
    /** Before each server, for each of the sessions. */
    readonly proxies: readonly (readonly FaultProxy[])[]
    readonly history: History
  }

  async function within(t: TestContext, body: (world: World) => Promise<void>): Promise<void> {
    const chroot = `/ensemble/${++serial}`
    const random = new SeededRandom(SEED + serial)
    t.diagnostic(`seed ${SEED}`)
    const proxies: FaultProxy[][] = []
    const stores: SqliteStore[] = []
    let history: History | undefined
    try {
      for (let i = 0; i < 3; i++) {
        const own: FaultProxy[] = []
        for (const { address, port } of servers) own.push(await FaultProxy.before(address, port))
        proxies.push(own)
        const place = { servers: own, chroot, sessionMs: SESSION_MS, lingerMs: LINGER_MS }
        const session = `s${i}`
        stores.push(await openZooKeeperStore({ ...place, models, clock, random, session }))
      }
      history = await History.begin(stores, random)
      await history.goesOn()
      await body({ chroot, stores, proxies, history })
      await history.goesOn()
      t.diagnostic(await history.judge())
    } finally {
      for (const proxy of proxies.flat()) proxy.heal()
      for (const server of servers) server.resume()
      await history?.stop()
      await Promise.all(stores.map(store => store.close()))
      await Promise.all(proxies.flat().map(proxy => proxy.close()))
    }
  }

  const leader = async (): Promise<ZooKeeperServer> => {
    let found: ZooKeeperServer | undefined
    await eventually(async () => {
      for (const server of servers) if (await server.leads()) found = server
      assert.ok(found !== undefined, 'nobody leads')
    })
    return found!
  }

  test('the leader is killed, and each server in turn', { timeout }, t =>
    within(t, async ({ history }) => {
      const first = await leader()
      await first.kill()
      await history.goesOn()
      await first.start()
      for (const server of servers) {
        await server.kill()
        await history.goesOn()
        await server.start()
      }
    })
  )

  test('all are killed, and come back', { timeout }, t =>
    within(t, async ({ stores, history }) => {
      const owned = stores.map(store => store.session)
      await Promise.all(servers.map(server => server.kill()))
      await eventually(() => {
        for (const store of stores) assert.equal(store.report().state, 'away')
      })
      await sleep(clock, SESSION_MS)
      for (const store of stores) assert.match(store.report().fault ?? '', /no connection/)
      await Promise.all(servers.map(server => server.start()))
      await history.goesOn()
      assert.deepEqual(
        stores.map(store => store.session),
        owned
      )
    })
  )

  test(
    'one is cut off in silence: it knows in time, and what others took is theirs',
    { timeout },
    t =>
      within(t, async ({ stores, proxies, history }) => {
        const [cut, other] = [stores[0]!, stores[1]!]
        await cut.table('mine').put('k', 'cut')
        const lease = await cut.lease('seat', 1)
        assert.ok(lease !== undefined)
        for (const proxy of proxies[0]!) proxy.blackHole = true
        await eventually(() => assert.equal(cut.report().state, 'away'))
        await history.goesOn()
        let taken = await other.lease('seat', 1)
        await eventually(async () => {
          taken ??= await other.lease('seat', 1)
          assert.ok(taken !== undefined)
        })
        assert.ok(taken!.epoch > lease.epoch)
        assert.deepEqual(await pairs(other.table('mine')), [['k', 'cut']], 'learned things linger')
        for (const proxy of proxies[0]!) proxy.heal()
        await eventually(() => assert.equal(cut.report().state, 'connected'))
        await lease.release() // too late: of an older epoch
        assert.equal(await cut.lease('seat', 1), undefined)
        await taken!.release()
      })
  )

  test('connections end amid frames, again and again', { timeout }, t =>
    within(t, async ({ proxies, history }) => {
      const random = new SeededRandom(SEED)
      for (let i = 0; i < 40; i++) {
        const proxy = proxies[random.below(3)]![random.below(3)]!
        if (random.below(3) === 0) proxy.cutAll()
        else proxy.cutAfter = random.below(60)
        await sleep(clock, 50)
      }
      for (const proxy of proxies.flat()) proxy.heal()
      await history.goesOn()
    })
  )

  test('a follower stalls; then the leader does', { timeout }, t =>
    within(t, async ({ history }) => {
      const first = await leader()
      for (const server of [servers.find(each => each !== first)!, first]) {
        server.pause()
        await sleep(clock, SESSION_MS)
        await history.goesOn()
        server.resume()
        await history.goesOn()
      }
    })
  )

  test('INV-18 a process is stopped for longer than its session, and goes on', { timeout }, t =>
    within(t, async ({ chroot, stores, history }) => {
      const place = servers.map(({ address: host, port }) => ({ host, port }))
      const cluster = { servers: place, chroot, sessionMs: SESSION_MS, lingerMs: LINGER_MS }
      const process = new Other({ ...cluster, path: ':memory:' })
      try {
        const session = await process.answer()
        await process.tell({ do: 'put', times: 3 })
        assert.ok(await process.tell({ do: 'lease' }))
        process.pause()
        const table = stores[0]!.table('t')
        let lease = await stores[0]!.lease('pool', 1)
        await eventually(async () => {
          lease ??= await stores[0]!.lease('pool', 1)
          assert.ok(lease !== undefined, 'its seat is free')
        })
        assert.equal((await table.entries()).length, 3, 'what it learned lingers')
        await table.put('k1', 'taken over')
        process.resume()
        await eventually(async () =>
          assert.equal(await process.tell({ do: 'lease' }), null, 'the seat is ours now')
        )
        await history.goesOn()
        await eventually(async () =>
          assert.deepEqual(await pairs(table), [
            ['k0', session],
            ['k1', 'taken over'],
            ['k2', session]
          ])
        )
        await lease!.release()
        assert.ok(await process.tell({ do: 'lease' }))
      } finally {
        process.resume()
        await process.kill()
      }
    })
  )
})
