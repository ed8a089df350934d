// The program of a role: a host with this machine's own interfaces, or the store and the API alone.
// test/zookeeper/roles.test.ts holds it.

import { checkListen } from '../api/http/security.ts'
import type { Config } from '../core/config/config.ts'
import { fail } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { settleMemory } from '../core/settle.ts'
import type { Resources } from '../resource.ts'
import { nameOf, type StorePlace } from '../topology/place/store-place.ts'
import { storePlaceOf } from '../topology/place/store-settings.ts'
import { listensOf, tokenOf } from './api-settings.ts'
import { Appliance } from './appliance.ts'
import { joins } from './cluster-settings.ts'
import { startHost } from './host/own-host.ts'
import type { sectionsOf } from './settings.ts'
import { flowStateOf } from './state-settings.ts'
import { checkStore } from './store-mark.ts'

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
  if (!config.host.packets && !api.enabled)
    throw fail('INVALID', {
      field: 'api.enabled',
      value: 'false',
      expected: 'true where host.packets is false: nothing would be left to do'
    })
  const named = plugins.filter(({ name }) => name in config.plugins)
  const store = storePlaceOf(config.store)
  const isOfCluster = joins(config.cluster, config.store)
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
    if (isOfCluster) await appliance.join(!config.host.packets)
    const serves = config.host.packets
      ? await startHost(config, state, { appliance, log, onDeath: () => stopped.now(1) })
      : { packets: false }
    if (api.enabled) await appliance.listen(listens, token)
    const { enabled, address, port } = config.metrics
    if (enabled) await appliance.serveMetrics({ host: address, port })
    log.info(serves, 'ready')
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
  const { packets } = config.host
  const pins = packets ? config.datapath.pins : ''
  const { kind, path } = config.state.store
  const flowState = packets && kind === 'journal' ? path : undefined
  const paths = { storePath, pins, flowState, mayBeNew }
  const note = await checkStore(appliance.store, paths)
  if (note !== undefined) appliance.note(note)
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
