// This machine as a host: its agent on its own interfaces.  The host and its id are kept in the
// store, so that a restart finds its bindings again.

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { ThreadSettings } from '../agent/messages.ts'
import { fail } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Appliance, HostOptions } from './appliance.ts'
import { debugOf } from './debug-settings.ts'
import { kernelUnavailable } from './kernel.ts'
import type { ApplianceConfig } from './run.ts'

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
  const host = await ownHost(appliance, config.host.name ?? hostname())
  await takeSeat(appliance, host)
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
