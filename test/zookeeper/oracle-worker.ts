// The other side of oracle-store.ts, a thread of its own: it has a machine for each host, which is
// a store on ZooKeeper with a copy of its own, and the sessions of the agents on them.  What it is
// told it does, then waits until every machine has all there is, and answers with what was told to
// whom meanwhile.

import assert from 'node:assert/strict'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import Type from 'typebox'
import { loadResources } from '../../src/agent/resources.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import { type Interest, interestKey } from '../../src/topology/interest.ts'
import { defineModel, type Model } from '../../src/topology/model.ts'
import type { SqliteStore } from '../../src/topology/sqlite/store.ts'
import type { TableEvent, Watch, WatchEvent } from '../../src/topology/store.ts'
import { openZooKeeperStore } from '../../src/topology/zookeeper/store.ts'
import type { Order, Told } from './oracle-store.ts'

interface Session {
  readonly store: SqliteStore
  readonly machine: string
  readonly watches: Map<string, Watch>
  readonly tables: Set<string>
}

const { port, signal, servers } = workerData as {
  port: MessagePort
  signal: Int32Array
  servers: readonly { host: string; port: number }[]
}
const NOBODY = '00000000-0000-4000-8000-000000000000'
const clock = new SystemClock()
const models = (await modelsWithoutRules()) as readonly Model[]
let world = ''
let told: Told[] = []
const machines = new Map<string, SqliteStore>()
const sessions = new Map<string, Session>()

// The plans have objects that stand for themselves, ids in plain words, and no rules: so an object
// is a text, with the fields that it is looked for by.
async function modelsWithoutRules(): Promise<Model[]> {
  return modelsOf(await loadResources()).map(({ kind, plural, indexes }) => {
    const texts = Type.Optional(Type.Array(Type.String()))
    const fields = Object.fromEntries(indexes.map(field => [field, texts]))
    const schema = Type.Object({ text: Type.String(), ...fields }, { additionalProperties: false })
    return defineModel({ kind, plural, summary: 'For the oracle.', schema, indexes: [...indexes] })
  })
}

async function machineOf(name: string): Promise<SqliteStore> {
  let store = machines.get(name)
  if (store === undefined) {
    const chroot = `/oracle/${world}`
    store = await openZooKeeperStore({ servers, chroot, models, clock, sessionMs: 30_000 })
    machines.set(name, store)
  }
  return store
}

async function sessionOf(name: string): Promise<Session> {
  let session = sessions.get(name)
  if (session === undefined) {
    const machine = name.replace(/^session-([^-]*).*$/, '$1')
    const store = await (await machineOf(machine)).fork(name)
    sessions.set(name, (session = { store, machine, watches: new Map(), tables: new Set() }))
  }
  return session
}

async function want(name: string, interest: Interest): Promise<void> {
  const { store, watches, tables } = await sessionOf(name)
  const key = interestKey(interest)
  if (watches.has(key)) return
  let watch: Watch
  if ('table' in interest) {
    const { table } = interest
    tables.add(table)
    watch = store.table(table).watch((events: readonly TableEvent[]) => {
      told.push({ session: name, table, events })
    })
  } else {
    watch = store.watch(interest, (events: readonly WatchEvent[]) => {
      told.push({ session: name, key, events })
    })
  }
  watches.set(key, watch)
  await watch.ready
}

// Every machine has what ZooKeeper has, and has told it.
async function quiet(): Promise<void> {
  for (let round = 0; round < 2; round++) {
    for (const store of machines.values()) await store.read('host', NOBODY)
    for (const { store, tables } of sessions.values())
      for (const table of tables) await store.table(table).get('')
    await new Promise<void>(done => clock.soon(done))
  }
}

async function carryOut(order: Order): Promise<void> {
  switch (order.is) {
    case 'world':
      world = order.name
      return
    case 'want':
      return want(order.session, order.interest)
    case 'unwant': {
      const { watches } = await sessionOf(order.session)
      watches.get(interestKey(order.interest))?.close()
      watches.delete(interestKey(order.interest))
      return
    }
    case 'write':
      await (await machineOf('controller')).write([order.change])
      return
    case 'put':
      return (await sessionOf(order.session)).store.table(order.table).put(order.key, order.value)
    case 'remove':
      return (await sessionOf(order.session)).store.table(order.table).remove(order.key)
    case 'forget': {
      await sessions.get(order.session)?.store.close()
      sessions.delete(order.session)
      return
    }
    case 'end':
      for (const { store } of sessions.values()) await store.close()
      for (const store of machines.values()) await store.close()
      sessions.clear()
      machines.clear()
  }
}

parentPort!.on('message', async (order: Order) => {
  let fault: string | undefined
  try {
    await carryOut(order)
    if (order.is !== 'world' && order.is !== 'end') await quiet()
  } catch (error) {
    fault = String(error instanceof Error ? error.stack : error)
  }
  port.postMessage({ told, fault })
  told = []
  Atomics.add(signal, 0, 1)
  Atomics.notify(signal, 0)
})
assert.ok(parentPort !== null)
