// D5: a store that was lost is not replaced by an empty one while the kernel forwards by it.

import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { SystemClock } from '../core/clock.ts'
import { coreModels } from '../topology/models.ts'
import { openSqliteStore } from '../topology/sqlite/store.ts'
import { checkStore } from './store-mark.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-mark-'))
after(() => rmSync(folder, { recursive: true }))
const pins = join(folder, 'bpf')
const flowState = join(folder, 'flow-state')
beforeEach(() => {
  rmSync(folder, { recursive: true })
  for (const path of [pins, join(flowState, 'a-host')]) mkdirSync(path, { recursive: true })
})

const ID = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'

/** Starts as an agent does, and has it make a host the first time. */
async function start(file = 'mezzo.db', mayBeNew = false, uses = { pins, flowState }) {
  const storePath = join(folder, file)
  const clock = new SystemClock()
  const store = await openSqliteStore({ path: storePath, models: coreModels, clock })
  try {
    const note = await checkStore(store, { storePath, mayBeNew, ...uses })
    if ((await store.read('host', ID)) === undefined)
      await store.write([{ op: 'create', kind: 'host', value: { id: ID, name: 'h' } }])
    return note
  } finally {
    await store.close()
  }
}

const lose = (file = 'mezzo.db'): void => {
  for (const end of ['', '-wal', '-shm', '-notify'])
    rmSync(join(folder, file + end), { force: true })
}
const forward = (): void => writeFileSync(join(pins, 'flows'), '')

test('D5: the same store is served again and again, with pins and without', async () => {
  assert.equal(await start(), undefined)
  forward()
  assert.equal(await start(), undefined)
  assert.equal(await start(), undefined)
})

test('D5: the id of an older store is read where that keeps it', async () => {
  const clock = new SystemClock()
  const path = join(folder, 'mezzo.db')
  const store = await openSqliteStore({ path, models: coreModels, clock })
  await store.table('house').seed('store-id', ID)
  await store.close()
  await start()
  const marked = readFileSync(join(folder, 'bpf.store-id.json'), 'utf8')
  assert.deepEqual(JSON.parse(marked), { [path]: ID })
})

test('D5: an empty store in the place of a lost one is refused, while there are pins', async () => {
  await start()
  forward()
  lose()
  await assert.rejects(start(), { code: 'STORE_FOREIGN', message: /is empty; .*mayBeNew/ })
  await assert.rejects(start(), { code: 'STORE_FOREIGN' }, 'also when it was tried before')
  assert.match((await start('mezzo.db', true))!, /flow state/)
  assert.equal(await start(), undefined, 'from then on it is ours')
})

test('D5: so is another store that is put in its place', async () => {
  await start('other.db')
  lose('mezzo.db')
  await start()
  forward()
  lose()
  copyFileSync(join(folder, 'other.db'), join(folder, 'mezzo.db'))
  await assert.rejects(start(), { code: 'STORE_FOREIGN', message: /another one/ })
})

test('D5: a store of another path, and flow state alone, keep nobody from starting', async () => {
  await start()
  forward()
  assert.equal(await start('second.db'), undefined)
  rmSync(join(pins, 'flows'))
  lose()
  assert.match((await start())!, /is empty: the flow state in/)
  const none = { pins: '', flowState: undefined as unknown as string }
  assert.equal(await start('third.db', false, none), undefined)
})

test('an empty store of a cluster at another node is refused, while there are pins', async () => {
  const check = async (storePath: string, isEmpty: boolean, mayBeNew = false) => {
    const store = await openSqliteStore({ models: coreModels, clock: new SystemClock() })
    try {
      if (!isEmpty)
        await store.write([{ op: 'create', kind: 'host', value: { id: ID, name: 'h' } }])
      return await checkStore(store, { storePath, mayBeNew, pins, flowState })
    } finally {
      await store.close()
    }
  }
  await check('zookeeper:/new', true)
  forward()
  const slip = { code: 'STORE_FOREIGN', message: /\/nwe is empty; .* forwards by zookeeper:\/new / }
  await assert.rejects(check('zookeeper:/nwe', true), slip)
  await assert.rejects(check('zookeeper:/nwe', true), slip)
  assert.equal(await check('zookeeper:/moved-to', false), undefined)
  assert.equal(await check('zookeeper:/meant', true, true), undefined)
})

test('D5: of several that begin on a new store at once, each is let in again', async () => {
  const machines = ['a', 'b', 'c', 'd'].map(name => ({
    pins: join(folder, name),
    flowState: join(folder, `${name}-state`)
  }))
  const storePath = join(folder, 'mezzo.db')
  const store = await openSqliteStore({
    path: storePath,
    models: coreModels,
    clock: new SystemClock()
  })
  try {
    const check = (uses: { pins: string; flowState: string }) =>
      checkStore(store, { storePath, mayBeNew: false, ...uses })
    await Promise.all(machines.map(check))
    for (const { pins } of machines) {
      mkdirSync(pins, { recursive: true })
      writeFileSync(join(pins, 'flows'), '')
    }
    for (const uses of machines) assert.equal(await check(uses), undefined, uses.pins)
  } finally {
    await store.close()
  }
})
