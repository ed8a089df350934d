// This machine as a host: its agent on its own interfaces.

import { resolve } from 'node:path'
import type { ThreadSettings } from '../../agent/messages.ts'
import { fail } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Appliance, HostOptions } from '../appliance.ts'
import { debugOf } from '../debug-settings.ts'
import type { ApplianceConfig } from '../run.ts'
import { kernelUnavailable } from './kernel.ts'
import { ownHost } from './seat.ts'

interface Running {
  readonly appliance: Appliance
  readonly log: Log
  /** Its agent has ended of itself. */
  readonly onDeath: () => void
}

/** Starts the agent of this machine; gives what the log says of it. */
export async function startHost(
  config: ApplianceConfig,
  state: NonNullable<HostOptions['state']>,
  { appliance, log, onDeath }: Running
): Promise<{ host: string; datapath: string }> {
  const host = await ownHost(config, appliance, log, id => {
    log.error({ host: id }, 'this host has another agent by now, for this one had stalled: it ends')
    onDeath()
  })
  const datapath = datapathOf(config, log)
  const { idleMs, checkMs } = config.flows
  const debug = debugOf(config.datapath.debug)
  await appliance.startAgent({
    ...host,
    role: config.host.role,
    datapath,
    ...(debug === undefined ? {} : { debug }),
    settings: config.plugins,
    maintenance: { idleMs, checkMs },
    bindings: config.bindings.interfaces,
    state,
    stateStore: config.state.store,
    onDeath
  })
  const { address, port } = config.cluster
  await appliance.serveHosts({ host: host.id, address, port })
  return { host: host.name, datapath: datapath.kind }
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
