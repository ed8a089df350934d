// What the cluster's programs are configured with: a file each, as an operator would write it.
// test/lab/demo-cluster.test.ts holds it.

import { join } from 'node:path'
import type { ApplianceConfig } from '../../main/run.ts'
import type { HostName } from '../plan/plan.ts'
import type { Built } from '../plan/topology.ts'
import type { Servers } from './servers.ts'

const CHROOT = '/mezzo'
const SESSION_MS = 6_000
const FLOWS_MAX = 16_384

/** What all of them are told. */
export interface Shared {
  readonly servers: Servers
  /** Where files of the run lie. */
  readonly folder: string
  /** The demo's own. */
  readonly config: ApplianceConfig
}

type Settings = Readonly<Record<string, unknown>>

/** The store, as the command line names it. */
export const placeOf = ({ addresses }: Servers): string =>
  `zookeeper:${addresses.join(',')}${CHROOT}`

/** Of the controller: store and API, no packets. */
export const controllerSettings = (shared: Shared): Settings => ({
  ...common('controller', shared),
  host: { role: 'controller', packets: false }
})

/** Of an agent. */
export function agentSettings(host: HostName, shared: Shared): Settings {
  const { servers, folder, config } = shared
  const { cassandra: node } = servers
  const cassandra = {
    contactPoints: [`${node.address}:${node.port}`],
    replicaCount: 1,
    username: node.username,
    passwordFile: node.passwordFile,
    tls: true,
    caFile: node.caFile
  }
  const { store: _, ...state } = config.state
  return {
    ...common(host, shared),
    host: { name: host, role: host.replace(/\d+$/, '') },
    state: { ...state, store: { kind: 'cassandra', cassandra } },
    datapath: { kind: 'ebpf', pins: join(folder, `${host}-bpf`), flowsMax: FLOWS_MAX },
    flows: config.flows
  }
}

const common = (name: string, { servers, folder, config }: Shared): Settings => ({
  store: {
    kind: 'zookeeper',
    path: join(folder, name, 'mezzo.db'),
    zookeeper: { servers: servers.addresses, chroot: CHROOT, sessionMs: SESSION_MS }
  },
  plugins: config.plugins,
  log: config.log
})

/** The topology as a backup, which `mezzo store restore` takes. */
export function documentOf({ changes }: Built): object {
  const objects: Record<string, unknown[]> = {}
  for (const change of changes)
    if (change.op === 'create') (objects[change.kind] ??= []).push(change.value)
  return { format: 'mezzo-topology', version: 1, objects }
}
