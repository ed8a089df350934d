// The bare appliance: one host, this machine's own interfaces, the embedded store.  The host and
// its id are kept in the store, so that a restart finds its bindings again.

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { ThreadSettings } from '../agent/messages.ts'
import { checkListen } from '../api/http/security.ts'
import type { Config } from '../core/config/config.ts'
import { fail } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { settleMemory } from '../core/settle.ts'
import type { Resources } from '../resource.ts'
import { listensOf, tokenOf } from './api-settings.ts'
import { Appliance, kernelUnavailable } from './appliance.ts'
import { debugOf } from './debug-settings.ts'
import type { sectionsOf } from './settings.ts'
import { flowStateOf } from './state-settings.ts'
import { nameOf, type StorePlace } from './store.ts'
import { checkStore } from './store-mark.ts'
import { storePlaceOf } from './store-settings.ts'

/** A configuration, complete. */
export type ApplianceConfig = Config<ReturnType<typeof sectionsOf>>

/** Runs until it is told to stop; gives the exit code. */
export async function runAppliance(
  config: ApplianceConfig,
  plugins: readonly Resources[],
  log: Log
): Promise<number> {
  const state = flowStateOf(config.state, plugins)
  const { api } = config
  const listens = api.enabled ? listensOf(api) : []
  const token = tokenOf(api)
  for (const listen of listens) checkListen(listen, token)
  const named = plugins.filter(({ name }) => name in config.plugins)
  const store = storePlaceOf(config.store)
  const appliance = await Appliance.open({
    store,
    plugins: named,
    installed: plugins,
    log,
    newPorts: config.ports.security
  })
  const stopped = stopSignal()
  try {
    await mustBeOurs(config, store, appliance)
    const host = await ownHost(appliance, config.host.name ?? hostname())
    await takeSeat(appliance, host)
    const datapath = datapathOf(config, log)
    const { idleMs, checkMs } = config.flows
    const debug = debugOf(config.datapath.debug)
    await appliance.startAgent({
      ...host,
      datapath,
      ...(debug === undefined ? {} : { debug }),
      settings: config.plugins,
      maintenance: { idleMs, checkMs },
      bindings: config.bindings.interfaces,
      state,
      stateStore: config.state.store,
      onDeath: () => stopped.now(1)
    })
    if (api.enabled) await appliance.listen(listens, token)
    const { enabled, address, port } = config.metrics
    if (enabled) await appliance.serveMetrics({ host: address, port })
    log.info({ host: host.name, datapath: datapath.kind }, 'ready')
    settleMemory(appliance.clock)
    const code = await stopped.code
    log.info({}, 'stopping; what the kernel forwards goes on')
    return code
  } finally {
    // What the kernel forwards goes on: the next start adopts it.
    const { clock } = appliance
    const begin = clock.now()
    await appliance.close(true)
    log.info({ ms: Math.round(clock.now() - begin) }, 'stopped')
  }
}

async function mustBeOurs(
  config: ApplianceConfig,
  store: StorePlace,
  appliance: Appliance
): Promise<void> {
  const { mayBeNew } = config.store
  const storePath = nameOf(store)
  if (storePath === ':memory:') return
  const { pins } = config.datapath
  const { kind, path } = config.state.store
  const flowState = kind === 'journal' ? path : undefined
  const paths = { storePath, pins, flowState, mayBeNew }
  const note = await checkStore(appliance.store, paths)
  if (note !== undefined) appliance.note(note)
}

function datapathOf(config: ApplianceConfig, log: Log): ThreadSettings['datapath'] {
  const { kind, pins, flowsMax, creditsPerPortMax: creditsPerPort } = config.datapath
  const reason = kernelUnavailable()
  if (kind === 'ebpf' && reason !== null) throw fail('UNAVAILABLE', { what: 'eBPF', reason })
  if (kind === 'memory' || reason !== null) {
    if (kind === 'auto') log.warn({ reason }, 'no kernel datapath: frames stay in memory')
    return { kind: 'memory', address: '127.0.0.1', interfaces: [], flowsMax, creditsPerPort }
  }
  const netns = config.host.netns ?? null
  return { kind: 'ebpf', netns, pins: pins === '' ? null : resolve(pins), flowsMax, creditsPerPort }
}

async function ownHost(appliance: Appliance, name: string): Promise<{ id: string; name: string }> {
  for await (const { id, value } of appliance.store.list('host'))
    if (value.name === name) return { id, name }
  const id = randomUUID()
  await appliance.store.write([{ op: 'create', kind: 'host', value: { id, name } }])
  return { id, name }
}

// Two agents of one host would take each other's programs off the interfaces.  The seat goes with
// the session, so a process that was killed does not keep it.
async function takeSeat({ store }: Appliance, host: { id: string; name: string }): Promise<void> {
  const seat = await store.lease(`agent/${host.id}`, 1)
  if (seat === undefined) throw fail('EXISTS', { kind: 'an agent of host', id: host.name })
}

function stopSignal(): { code: Promise<number>; now: (code: number) => void } {
  let now: (code: number) => void = () => {}
  const code = new Promise<number>(done => {
    now = done
    process.once('SIGINT', () => done(0))
    process.once('SIGTERM', () => done(0))
  })
  return { code, now }
}
