// The SQLite store at its limits: many objects, many entries, logs that were trimmed under a
// reader, a busy or foreign file, assemblies that make no sense.  Figures are printed, not judged.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { SystemClock, sleep, VirtualClock } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { defineModel } from '../../src/topology/model.ts'
import { hostModel } from '../../src/topology/models.ts'
import { openSqliteStore, type SqliteStore } from '../../src/topology/sqlite/store.ts'
import { casesOf } from '../cases.ts'
import { all, assertSame, eventually, pairs, Replica, refused, TableReplica } from './ground.ts'
import { create, models, remove, update } from './models.ts'

const clock = new SystemClock()
const timeout = 240_000 // of a busy machine

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-store-'))
  try {
    await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function withStores(
  count: number,
  logMax: number,
  body: (stores: SqliteStore[], path: string) => Promise<void>
): Promise<void> {
  await inFolder(async folder => {
    const path = join(folder, 'store.db')
    const stores: SqliteStore[] = []
    for (let i = 0; i < count; i++)
      stores.push(await openSqliteStore({ path, models, clock, logMax }))
    await body(stores, path)
    for (const store of stores) await store.close()
  })
}

// The longest time the event loop had no turn while the work was done.
async function stallOf(work: () => Promise<unknown>): Promise<number> {
  let worst = 0
  let last = clock.now()
  let running = true
  const turn = (): void => {
    worst = Math.max(worst, clock.now() - last)
    last = clock.now()
    if (running) clock.soon(turn)
  }
  clock.soon(turn)
  await work()
  running = false
  return Math.round(worst)
}

const rate = (count: number, since: number): string =>
  `${Math.round((count * 1000) / (clock.now() - since))}/s`

const OBJECTS = casesOf(5000)
test('thousands of objects are written, watched, listed and deleted', { timeout }, t =>
  withStores(2, 50_000, async ([a, b]) => {
    const hosts = Array.from({ length: OBJECTS }, (_, i) => create('host', { name: `h${i}` }))
    const begin = clock.now()
    for (const host of hosts) await a!.write([host])
    t.diagnostic(`writes one by one: ${rate(OBJECTS, begin)}`)
    const replica = new Replica(b!, { kind: 'host' })
    t.diagnostic(`longest stall of a watch that begins: ${await stallOf(() => replica.ready)} ms`)
    assert.equal(replica.objects.size, OBJECTS)
    const bulk = clock.now()
    await a!.write(hosts.map(host => update('host', { ...host.value, name: `x${host.value.id}` })))
    t.diagnostic(`changes in one write: ${rate(5000, bulk)}`)
    const truth = await all(a!.list('host'))
    await eventually(() => assertSame(replica.sorted, truth))
    await a!.write(hosts.map(host => remove('host', host.value.id)))
    await eventually(() => assert.equal(replica.objects.size, 0))
    await refused(a!.write(new Array(10_001).fill(hosts[0])), 'LIMIT', '10000')
  })
)

const ENTRIES = casesOf(100_000)
test('a hundred thousand entries of a table are stored, followed and forgotten', { timeout }, t =>
  withStores(2, 50_000, async ([a, b]) => {
    const replica = new TableReplica(b!.table('mac'))
    await replica.ready
    const table = a!.table('mac')
    const begin = clock.now()
    const puts = () =>
      Promise.all(
        Array.from({ length: ENTRIES }, (_, i) => table.put(`mac ${i}`, `port ${i % 50}`))
      )
    t.diagnostic(`longest stall of the puts: ${await stallOf(puts)} ms`)
    t.diagnostic(`puts: ${rate(ENTRIES, begin)}`)
    await eventually(() => assert.equal(replica.entries.size, ENTRIES))
    t.diagnostic(`puts that arrived at another connection: ${rate(ENTRIES, begin)}`)
    const late = new TableReplica(b!.table('mac'))
    t.diagnostic(`longest stall of a late watch: ${await stallOf(() => late.ready)} ms`)
    assert.equal(late.entries.size, ENTRIES)
    await a!.close()
    await eventually(() => assert.equal(replica.entries.size, 0))
    assert.deepEqual(await pairs(b!.table('mac')), [])
  })
)

test('a reader that fell behind the trimmed log is told the difference', { timeout }, () =>
  withStores(2, 10, async ([a, b]) => {
    const hosts = Array.from({ length: 400 }, (_, i) => create('host', { name: `h${i}` }))
    await a!.write(hosts)
    const objects = new Replica(b!, { kind: 'host' })
    const entries = new TableReplica(b!.table('t'))
    await Promise.all([objects.ready, entries.ready])
    await a!.write(hosts.slice(0, 300).map(host => remove('host', host.value.id)))
    await a!.write(
      hosts.slice(300).map(h => update('host', { ...h.value, name: `n${h.value.id}` }))
    )
    for (let i = 0; i < 300; i++) await a!.write([create('host', { name: `later ${i}` })])
    await Promise.all(
      Array.from({ length: 2000 }, (_, i) => a!.table('t').put(`k${i % 90}`, `${i}`))
    )
    const truth = await all(a!.list('host'))
    const table = await pairs(a!.table('t'))
    await eventually(() => {
      assertSame(objects.sorted, truth)
      assertSame(entries.sorted, table)
    })
  })
)

test('a log trimmed while a watch is still told the beginning', { timeout }, () =>
  withStores(1, 10, async ([store]) => {
    const hosts = Array.from({ length: 600 }, (_, i) => create('host', { name: `h${i}` }))
    await store!.write(hosts)
    const names = new Map<string, unknown>()
    const watch = store!.watch({ kind: 'host' }, events => {
      // Each of these runs at once, before the rest of the beginning is told.
      if (names.size === 0)
        for (const { value } of hosts)
          void store!.write([update('host', { ...value, name: value.id })])
      for (const event of events)
        if (event.op === 'put') names.set(event.object.id, event.object.value.name)
    })
    await watch.ready
    await eventually(() => assert.ok([...names].every(([id, name]) => id === name)))
    assert.equal(names.size, 600)
  })
)

test('a write waits for another writer without stalling, and keeps its turn', { timeout }, () =>
  withStores(1, 1000, async ([store], path) => {
    const rude = new DatabaseSync(path)
    rude.exec('BEGIN IMMEDIATE')
    const order: string[] = []
    const writes = ['first', 'second', 'third'].map(async name => {
      await store!.write([create('host', { name })])
      order.push(name)
    })
    const stall = await stallOf(() => sleep(clock, 100))
    assert.deepEqual(order, [])
    rude.exec('COMMIT')
    rude.close()
    await Promise.all(writes)
    assert.deepEqual(order, ['first', 'second', 'third'])
    assert.ok(stall < 1000, `stalled ${stall} ms`)
  })
)

test('a file that is not ours, or of a later time, is refused and left alone', async () => {
  await inFolder(async folder => {
    const open = (name: string) =>
      openSqliteStore({ path: join(folder, name), models, clock }).then(store => store.close())
    writeFileSync(join(folder, 'text'), 'not a database at all, but long enough to be read as one')
    await refused(open('text'), 'STORE_FILE', 'text', 'not a database')
    const foreign = new DatabaseSync(join(folder, 'foreign'))
    foreign.exec('CREATE TABLE mine (x)')
    foreign.close()
    await refused(open('foreign'), 'STORE_FILE', 'foreign', 'something else')
    await open('ours')
    const newer = new DatabaseSync(join(folder, 'ours'))
    newer.exec('PRAGMA user_version = 99')
    newer.close()
    await refused(open('ours'), 'STORE_FILE', 'version 99')
    await refused(open('text/below'), 'STORE_FILE', 'below')
  })
})

test('a file of an earlier version is taken over, with what is in it', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'store.db')
    const host = create('host', { name: 'a' })
    const first = await openSqliteStore({ path, models, clock })
    await first.write([host])
    await (await first.lease('pool', 1))!.release()
    await first.close()
    const old = new DatabaseSync(path)
    old.exec('DROP INDEX leases_by_freed; ALTER TABLE leases DROP COLUMN freed')
    old.exec('ALTER TABLE leases DROP COLUMN lingers; PRAGMA user_version = 1')
    old.close()
    const second = await openSqliteStore({ path, models, clock })
    assert.deepEqual((await second.read('host', host.value.id))?.value, host.value)
    assert.equal((await second.lease('pool', 1))?.epoch, 2)
    await second.close()
  })
})

test('models that make no sense are refused at start', async () => {
  const open = (extra: Parameters<typeof defineModel>[0]) =>
    openSqliteStore({ models: [hostModel, defineModel(extra)], clock })
  const { schema } = hostModel
  const base = { kind: 'x', plural: 'xs', summary: 'For tests.', schema }
  await refused(open({ ...base, kind: 'host' }), 'EXISTS', 'host')
  await refused(open({ ...base, indexes: ['colour'] }), 'INVALID', 'colour')
  const clear = { field: 'name', kind: 'host', onDelete: 'clear' } as const
  await refused(open({ ...base, references: [clear] }), 'INVALID', 'name', 'optional')
  const sequences = { name: { sequence: 's', min: 1, max: 2 } }
  await refused(open({ ...base, sequences }), 'INVALID', 'name', 'optional')
})

test('under a virtual clock everything is told without time passing', async (_: TestContext) => {
  const still = new VirtualClock()
  const random = new SeededRandom(1)
  const store = await openSqliteStore({ models, clock: still, random, session: 'a' })
  const other = await store.fork('b')
  const replica = new Replica(other, { kind: 'host' })
  const entries = new TableReplica(other.table('t'))
  await Promise.all([replica.ready, entries.ready])
  await store.write(Array.from({ length: 900 }, (_, i) => create('host', { name: `h${i}` })))
  await Promise.all(Array.from({ length: 900 }, (_, i) => store.table('t').put(`k${i}`, 'v')))
  const late = new Replica(other, { kind: 'host' })
  await late.ready
  assert.equal(replica.objects.size, 900)
  assert.equal(entries.entries.size, 900)
  assert.equal(late.objects.size, 900)
  await store.close()
  await other.close()
  assert.equal(still.waiting, 0)
})

test('the data outlives all its processes; what sessions owned does not', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'store.db')
    const host = create('host', { name: 'a' })
    const first = await openSqliteStore({ path, models, clock })
    const version = await first.write([host])
    await first.table('t').seed('s', '1')
    await first.table('t').put('p', '2')
    await first.close()
    const second = await openSqliteStore({ path, models, clock })
    assert.deepEqual((await second.read('host', host.value.id))?.value, host.value)
    assert.deepEqual(await pairs(second.table('t')), [['s', '1']])
    assert.ok((await second.write([create('bridge')])) > version)
    await second.close()
  })
})
