// The secret of a store: made once, whoever and however many ask for it first; a new one reaches
// all of them.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SystemClock } from '../../src/core/clock.ts'
import { SystemRandom } from '../../src/core/random.ts'
import { openSqliteStore, type SqliteStore } from '../../src/topology/sqlite/store.ts'
import { rotateStateKey, watchStateKey } from '../../src/topology/state-key.ts'
import { eventually, refused } from './ground.ts'
import { models } from './models.ts'
import { Other } from './process.ts'

const timeout = 60_000
const clock = new SystemClock()
const random = new SystemRandom()
const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')

interface World {
  readonly path: string
  open(): Promise<SqliteStore>
  other(): Promise<Other>
}

async function within(t: TestContext, body: (world: World) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-key-'))
  const path = join(folder, 'store.db')
  const stores: SqliteStore[] = []
  const others: Other[] = []
  const open = async () => {
    const store = await openSqliteStore({ path, models, clock })
    stores.push(store)
    return store
  }
  const other = async () => {
    const process = new Other(path)
    others.push(process)
    t.diagnostic(`session ${await process.answer()}`)
    return process
  }
  try {
    await body({ path, open, other })
  } finally {
    await Promise.all(others.map(each => each.kill()))
    for (const store of stores) await store.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

test('sessions that ask at once have one key, and hear of the next', { timeout }, t =>
  within(t, async ({ open }) => {
    const stores = [await open(), await open(), await open()]
    stores.push(await stores[0]!.fork('agent'))
    const heard: string[][] = stores.map(() => [])
    const watches = stores.map((store, i) =>
      watchStateKey(store, random, key => heard[i]!.push(hex(key)))
    )
    await Promise.all(watches.map(watch => watch.ready))
    const [first] = heard[0]!
    assert.match(first!, /^[0-9a-f]{64}$/)
    for (const keys of heard) assert.deepEqual(keys, [first])
    await Promise.all([rotateStateKey(stores[1]!, random), rotateStateKey(stores[2]!, random)])
    const { value } = (await stores[0]!.list('state-key')[Symbol.asyncIterator]().next()).value!
    assert.notEqual(value.secret, first)
    await eventually(() => {
      for (const keys of heard) assert.equal(keys.at(-1), value.secret)
    })
    watches[0]!.close()
    const before = heard[0]!.length
    await rotateStateKey(stores[0]!, random)
    await eventually(() => assert.notEqual(heard[1]!.at(-1), value.secret))
    assert.equal(heard[0]!.length, before, 'a closed watch hears no more')
    await stores.at(-1)!.close()
  })
)

test('processes that ask at once have one key, as one that comes later', { timeout }, t =>
  within(t, async ({ open, other }) => {
    const processes = await Promise.all([other(), other(), other()])
    const keys = await Promise.all(processes.map(each => each.tell({ do: 'key' })))
    assert.equal(new Set(keys).size, 1)
    const store = await open()
    const own: string[] = []
    const watch = watchStateKey(store, random, key => own.push(hex(key)))
    await watch.ready
    assert.deepEqual(own, [keys[0]])
    const rotated = await processes[0]!.tell({ do: 'rotate' })
    assert.notEqual(rotated, keys[0])
    await eventually(() => assert.equal(own.at(-1), rotated))
    watch.close()
  })
)

test('where none can be made, whoever waits for it hears', { timeout }, t =>
  within(t, async ({ open }) => {
    const store = await open()
    const watch = watchStateKey(store, random, () => assert.fail('there is no key'))
    await store.close()
    await refused(watch.ready, 'STORE_UNAVAILABLE')
    watch.close()
  })
)
