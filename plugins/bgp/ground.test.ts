// What tests of the gateway share: a router with an uplink port in a real store, and agents of its
// host, whose engine is played (fixture.test.ts).

import type { TestContext } from 'node:test'
import { PortWatch } from '../../src/agent/control/port-watch.ts'
import type { PeerState } from '../../src/control.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { silentLog } from '../../src/core/log.ts'
import { activeTable } from '../../src/topology/ports/port-status.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { allModels } from '../../test/api/fixture.ts'
import { RouteWriter } from '../router/control/route-writer.ts'
import type { DampingSettings } from './control/damping.ts'
import { Gateway } from './control/gateway.ts'
import { uplinkCounters } from './control/uplink.ts'
import { MemoryEngine, MemoryPunt } from './fixture.test.ts'

const clock = new SystemClock()
export const id = (n: number): string =>
  `00000000-0000-4000-8000-0000000000${n.toString(16).padStart(2, '0')}`
export const [HOST, OTHER, ROUTER, UP, UP2] = [id(1), id(2), id(3), id(4), id(5)] as const
export const PEER = id(10)

export const port = (at: string, n: number, more: object = {}) => ({
  ...{ id: at, type: 'router', device: ROUTER, host: HOST, interface: `up${n}` },
  ...{ mac: `02:4d:00:00:00:0${n}`, addresses: [`180.0.${n}.2/24`], ...more }
})

// A router with an uplink port on HOST, and what is to be announced.
async function opened() {
  const store = await openSqliteStore({ models: await allModels(), clock })
  const write = (op: 'create' | 'update', kind: string, value: object) =>
    store.write([{ op, kind, value: value as { id: string } }])
  for (const [host, name] of [
    [HOST, 'gw1'],
    [OTHER, 'gw2']
  ])
    await write('create', 'host', { id: host, name })
  await write('create', 'router', { id: ROUTER })
  await write('create', 'port', port(UP, 1))
  await write('create', 'bgp-speaker', { id: id(20), router: ROUTER, asn: 65_001 })
  await write('create', 'bgp-network', { id: id(30), router: ROUTER, prefix: '200.0.0.0/24' })
  return { store, write }
}

/** A gateway on a real store; what speaks is played. */
export async function ground(t: TestContext, more: Partial<DampingSettings> = {}) {
  const { store, write } = await opened()
  const engine = new MemoryEngine()
  const punt = new MemoryPunt()
  const counters = new CounterTable()
  const others: PeerState[] = []
  let notes: readonly string[] = []
  const say = (said: readonly string[]): void => {
    notes = said
  }
  const gateways: Pick<Gateway, 'stop'>[] = []
  const sessions: { close(): Promise<void> }[] = []
  const begin = async (isActive = true) => {
    const session = await store.fork('agent of gw1')
    const routes = new RouteWriter({ store: session, host: HOST, clock, log: silentLog() })
    const gateway = new Gateway({
      ...{ engine, punt, clock, store: session, log: silentLog(), services: [], tellMs: 50 },
      damping: { dampFirstMs: 200, dampMaxMs: 400, dampForgetMs: 600_000, ...more },
      ...{ pollMs: 10, counters: uplinkCounters(counters), host: { id: HOST, name: 'gw1' } },
      others: { list: async () => others },
      ...{ say, routes },
      ports: new PortWatch(session, HOST)
    })
    gateways.push(gateway, { stop: async () => routes.close() })
    sessions.push(session)
    if (isActive) await session.table(activeTable(HOST)).put(UP, HOST)
    await gateway.start()
    return { gateway, session }
  }
  t.after(async () => {
    for (const gateway of gateways) await gateway.stop()
    for (const session of sessions) await session.close()
    await store.close()
  })
  const peerOf = (more: object = {}) => ({
    ...{ id: PEER, router: ROUTER, address: '180.0.1.1', asn: 65_101, ...more }
  })
  const config = () => engine.speakers.get(UP)?.config
  const remove = (kind: string, at: string) => store.write([{ op: 'delete', kind, id: at }])
  const rows = async (table: string) => {
    const entries = await store.table(table).entries()
    return Object.fromEntries(entries.map(({ key, value }) => [key, JSON.parse(value)]))
  }
  const noted = () => notes
  return {
    store,
    engine,
    punt,
    counters,
    others,
    noted,
    write,
    remove,
    begin,
    peerOf,
    config,
    rows
  }
}
