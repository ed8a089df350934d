// Several processes on one store in ZooKeeper, each with a copy in a file: they see each other's
// changes, one that is killed amid a change leaves all of it or nothing, one that stalls comes back
// to what nobody took, and one that begins anew goes on with the copy of its predecessor.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import type { SqliteStore } from '../../src/topology/sqlite/store.ts'
import { openZooKeeperStore } from '../../src/topology/zookeeper/store.ts'
import { all, assertSame, pairs, Replica, refused, TableReplica } from '../store/ground.ts'
import { create, models } from '../store/models.ts'
import { Other } from '../store/process.ts'
import { clock, eventually } from './clients.ts'
import { type SharedServer, sharedServer } from './shared.ts'

const skip = missingForServer() ?? false
const SESSION_MS = 4_000
let serial = 0

describe('processes on one store in ZooKeeper', { skip }, () => {
  let server: SharedServer
  before(async () => {
    server = await sharedServer()
  })
  after(() => server.close())

  interface World {
    readonly store: SqliteStore
    open(copy: string, lingerMs?: number): Promise<SqliteStore>
    other(copy?: string): Promise<Other>
  }

  async function within(t: TestContext, body: (world: World) => Promise<void>): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'mezzo-copies-'))
    const servers = [{ host: server.address, port: server.port }]
    const cluster = { servers, chroot: `/processes/${++serial}`, sessionMs: SESSION_MS }
    const stores: SqliteStore[] = []
    const others: Other[] = []
    const open: World['open'] = async (copy, lingerMs = 0) => {
      const path = join(folder, copy)
      const store = await openZooKeeperStore({ ...cluster, models, clock, path, lingerMs })
      stores.push(store)
      return store
    }
    const other: World['other'] = async (copy = `other${others.length}`) => {
      const process = new Other({ ...cluster, path: join(folder, copy) })
      others.push(process)
      t.diagnostic(`session ${await process.answer()}`)
      return process
    }
    try {
      await body({ store: await open('here'), open, other })
    } finally {
      for (const each of others) each.resume()
      await Promise.all(others.map(each => each.kill()))
      await Promise.all(stores.map(each => each.close()))
      rmSync(folder, { recursive: true, force: true })
    }
  }

  test('INV-18 a change is whole or absent when its process is killed; what it owned goes', t =>
    within(t, async ({ store, other }) => {
      const [hosts, table] = [new Replica(store, { kind: 'host' }), store.table('t')]
      await table.seed('k0', 'seed')
      const entries = new TableReplica(table)
      for (let round = 0; round < 2; round++) {
        const process = await other()
        await process.tell({ do: 'put', times: 500 })
        assert.ok(await process.tell({ do: 'lease' }))
        await eventually(() => assert.equal(entries.entries.size, 500))
        assert.equal(await process.tell({ do: 'churn' }), 'churning')
        await process.kill()
        await eventually(() => assert.deepEqual(entries.sorted, [['k0', 'seed']]))
        await (await freed(store)).release()
      }
      const there = await all(store.list('host'))
      const teams = await all(store.list('team'))
      const members = teams.map(team => (team.value.members as string[])[0])
      assert.ok(there.length > 40)
      assertSame(members.sort(), there.map(host => host.id).sort())
      await eventually(() => assertSame(hosts.sorted, there))
    }))

  test('compare-and-set holds between processes', t =>
    within(t, async ({ store, other }) => {
      const team = create('team', { members: [], size: 0 })
      await store.write([team])
      const replica = new Replica(store, { kind: 'team', id: team.value.id })
      await replica.ready
      const processes = [await other(), await other()]
      const order = { do: 'count', id: team.value.id, times: 50 } as const
      await Promise.all(processes.map(each => each.tell(order)))
      await eventually(() => assert.equal(replica.calls.length, 101))
      const told = replica.calls.flat().map(e => (e.op === 'put' ? e.object.value.size : -1))
      assert.deepEqual(
        told,
        Array.from({ length: 101 }, (_, i) => i % 10)
      )
    }))

  test('one that stalls for longer than its session keeps what nobody took, and no more', t =>
    within(t, async ({ store, other }) => {
      const table = store.table('t')
      const process = await other()
      await process.tell({ do: 'put', times: 2 })
      const owner = (await table.entries())[0]!.owner
      assert.ok(await process.tell({ do: 'lease' }))
      process.pause()
      await eventually(async () => assert.deepEqual(await pairs(table), []))
      await table.put('k0', 'ours')
      const lease = await freed(store)
      process.resume()
      await eventually(async () =>
        assert.deepEqual(await pairs(table), [
          ['k0', 'ours'],
          ['k1', owner]
        ])
      )
      assert.equal(await process.tell({ do: 'lease' }), null, 'the lease is ours now')
      await eventually(async () => assert.deepEqual(await process.tell({ do: 'lost' }), [1]))
      assert.equal(await process.tell({ do: 'release' }), 1)
      assert.equal(await process.tell({ do: 'lease' }), null, 'a late release frees nothing')
      await lease.release()
      assert.ok(await process.tell({ do: 'lease' }))
    }))

  test('INV-18 what one says late, whose place another has taken, is refused', t =>
    within(t, async ({ store, other }) => {
      const table = store.table('t')
      const process = await other()
      await process.tell({ do: 'put', times: 3 })
      assert.ok(await process.tell({ do: 'lease', guards: true }))
      process.pause()
      const late = process.tell({ do: 'put', times: 2 }) // before it can know
      await eventually(async () => assert.deepEqual(await pairs(table), []))
      await freed(store)
      await table.put('k0', 'ours')
      process.resume()
      assert.equal(await late, 'refused')
      await eventually(async () => assert.deepEqual(await process.tell({ do: 'lost' }), [1]))
      assert.equal(await process.tell({ do: 'put', times: 2 }), 'refused')
      assert.deepEqual(await pairs(table), [['k0', 'ours']])
    }))

  test('one that stalls, and whose lease nobody has taken, holds it as before', t =>
    within(t, async ({ store, other }) => {
      const table = store.table('t')
      const process = await other()
      await process.tell({ do: 'put' })
      assert.ok(await process.tell({ do: 'lease' }))
      process.pause()
      await eventually(async () => assert.deepEqual(await pairs(table), []))
      process.resume()
      await eventually(async () => assert.equal((await pairs(table)).length, 1))
      assert.equal(await store.lease('pool', 1), undefined)
      assert.deepEqual(await process.tell({ do: 'lost' }), [])
    }))

  test('a copy goes on where it was, at once also after kill -9; one process has it', t =>
    within(t, async ({ store, open, other }) => {
      const host = create('host', { name: 'a' })
      await store.write([host])
      const process = await other('copy')
      assert.ok(await process.tell({ do: 'lease' }))
      await refused(open('copy'), 'STORE_FILE', 'copy', 'another process works with it')
      await process.kill()
      await store.write([create('host', { name: 'b' })])
      const next = await open('copy', 60_000)
      assertSame(await all(next.list('host')), await all(store.list('host')))
      assert.equal((await next.lease('pool', 1))?.epoch, 2, 'the seat of its predecessor is free')
    }))
})

// The block of the pool, as soon as nobody else has it.
async function freed(store: SqliteStore) {
  let lease = await store.lease('pool', 1)
  await eventually(async () => {
    lease ??= await store.lease('pool', 1)
    assert.ok(lease !== undefined)
  })
  return lease!
}
