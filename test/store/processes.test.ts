// Several processes share one file: each hears of the other's writes, compare-and-set holds
// between them, and what a killed process owned vanishes while what it half wrote never was.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SystemClock } from '../../src/core/clock.ts'
import { openSqliteStore, type SqliteStore } from '../../src/topology/sqlite/store.ts'
import { all, assertSame, eventually, pairs, Replica, TableReplica } from './ground.ts'
import { create, models, newId } from './models.ts'
import type { Order } from './other.ts'
import { Other } from './process.ts'

const clock = new SystemClock()
const timeout = 60_000

interface World {
  readonly path: string
  readonly store: SqliteStore
  other(): Promise<Other>
}

async function within(t: TestContext, body: (world: World) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-store-'))
  const path = join(folder, 'deep', 'store.db')
  const store = await openSqliteStore({ path, models, clock, session: 'here' })
  const others: Other[] = []
  const other = async (): Promise<Other> => {
    const process = new Other(path)
    others.push(process)
    t.diagnostic(`session ${await process.answer()}`)
    return process
  }
  try {
    await body({ path, store, other })
  } finally {
    await Promise.all(others.map(each => each.kill()))
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

test('a watch hears what another process writes', { timeout }, t =>
  within(t, async ({ store, other }) => {
    const process = await other()
    const arrived = new Map<string, number>()
    const watch = store.watch({ kind: 'host' }, events => {
      for (const event of events) if (event.op === 'put') arrived.set(event.object.id, clock.wall())
    })
    await watch.ready
    const latencies: number[] = []
    for (let i = 0; i < 50; i++) {
      const id = newId()
      const written = (await process.tell({ do: 'write', id, name: `h${i}` })) as number
      await eventually(() => assert.ok(arrived.has(id)))
      latencies.push(arrived.get(id)! - written)
    }
    latencies.sort((a, b) => a - b)
    t.diagnostic(`ms from write to watch: median ${latencies[25]}, most ${latencies[49]}`)
  })
)

test('INV-18 a killed process loses its entries and leases', { timeout }, t =>
  within(t, async ({ store, other }) => {
    const process = await other()
    const table = store.table('t')
    await table.seed('k0', 'seed')
    await table.put('own', 'mine')
    const replica = new TableReplica(table)
    await process.tell({ do: 'put', times: 3000 })
    assert.ok(await process.tell({ do: 'lease' }))
    await eventually(() => assert.equal(replica.entries.size, 3001))
    assert.equal(await store.lease('pool', 1), undefined)
    const before = clock.now()
    await process.kill()
    await eventually(() =>
      assertSame(replica.sorted, [
        ['k0', 'seed'],
        ['own', 'mine']
      ])
    )
    t.diagnostic(`ms from kill to the last entry: ${Math.round(clock.now() - before)}`)
    const lease = await store.lease('pool', 1)
    assert.equal(lease?.epoch, 2)
  })
)

test('a process that closes leaves at once, one that opens reaps the dead', { timeout }, t =>
  within(t, async ({ store, path, other }) => {
    const leaver = await other()
    await leaver.tell({ do: 'put', times: 10 })
    await leaver.tell({ do: 'close' })
    assert.deepEqual(await store.table('t').entries(), [])
    const dead = await other()
    await dead.tell({ do: 'put', times: 10 })
    await dead.kill()
    const next = await openSqliteStore({ path, models, clock })
    assert.deepEqual(await pairs(next.table('t')), [])
    await next.close()
  })
)

test('a write is whole or absent when its process is killed amid writing', { timeout }, t =>
  within(t, async ({ store, other }) => {
    const hosts = new Replica(store, { kind: 'host' })
    const teams = new Replica(store, { kind: 'team' })
    for (let round = 0; round < 3; round++) {
      const process = await other()
      assert.equal(await process.tell({ do: 'churn' }), 'churning')
      await process.kill()
    }
    const there = await all(store.list('host'))
    const members = (await all(store.list('team'))).map(team => (team.value.members as string[])[0])
    assert.ok(there.length > 60)
    assertSame(members.sort(), there.map(host => host.id).sort())
    await eventually(() => {
      assertSame(hosts.sorted, there)
      assert.equal(teams.objects.size, there.length)
    })
  })
)

test('compare-and-set holds between processes', { timeout }, t =>
  within(t, async ({ store, other }) => {
    const team = create('team', { members: [], size: 0 })
    await store.write([team])
    const replica = new Replica(store, { kind: 'team', id: team.value.id })
    await replica.ready
    const processes = [await other(), await other()]
    const order: Order = { do: 'count', id: team.value.id, times: 100 }
    await Promise.all(processes.map(each => each.tell(order)))
    assert.equal((await store.read('team', team.value.id))?.value.size, 0)
    await eventually(() => assert.equal(replica.calls.length, 201))
    const told = replica.calls.flat().map(e => (e.op === 'put' ? e.object.value.size : -1))
    assert.deepEqual(
      told,
      Array.from({ length: 201 }, (_, i) => i % 10)
    )
  })
)

test('processes that make the file at the same moment share it', { timeout }, t =>
  within(t, async ({ store }) => {
    const folder = mkdtempSync(join(tmpdir(), 'mezzo-store-'))
    const path = join(folder, 'new.db')
    const others = Array.from({ length: 3 }, () => new Other(path))
    try {
      const sessions = await Promise.all(others.map(each => each.answer()))
      assert.equal(new Set(sessions).size, 3)
      await Promise.all(
        others.map((each, i) => each.tell({ do: 'write', name: `h${i}`, id: newId() }))
      )
    } finally {
      await Promise.all(others.map(each => each.kill()))
      rmSync(folder, { recursive: true, force: true })
    }
    assert.ok(store.session.startsWith('here.'))
  })
)

test('the file is for its owner only', { timeout }, t =>
  within(t, async ({ path, store }) => {
    await store.write([create('bridge')])
    for (const suffix of ['', '-wal', '-shm', '-notify'])
      assert.equal(statSync(path + suffix).mode & 0o777, 0o600, suffix)
    assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
  })
)
