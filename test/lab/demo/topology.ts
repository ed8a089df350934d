// The plan as objects of the store: what a tenant would have made by the API, in one write.

import { randomUUID } from 'node:crypto'
import type { Change } from '../../../src/topology/store.ts'
import {
  addressOf,
  families,
  gatewayOf,
  guarded,
  type HostName,
  hosts,
  lengthOf,
  type Network,
  networks,
  outside,
  type Tenant,
  tenants,
  vms
} from './plan.ts'

export interface Built {
  readonly changes: readonly Change[]
  readonly hosts: Readonly<Record<HostName, string>>
}

export function buildTopology(underlay: Readonly<Record<HostName, string>>): Built {
  const topology = new Topology()
  const hostIds = topology.hosts(underlay)
  for (const tenant of tenants) topology.tenant(tenant, hostIds)
  return { changes: topology.changes, hosts: hostIds }
}

type Fields = Readonly<Record<string, unknown>>

class Topology {
  readonly changes: Change[] = []

  hosts(underlay: Readonly<Record<HostName, string>>): Record<HostName, string> {
    const zone = this.#create('tunnel-zone', { name: 'underlay', type: 'vxlan' })
    const entries = hosts.map(name => {
      const host = this.#create('host', { name })
      this.#create('tunnel-zone-host', { zone, host, address: underlay[name] })
      return [name, host] as const
    })
    return Object.fromEntries(entries) as Record<HostName, string>
  }

  tenant(tenant: Tenant, hostIds: Readonly<Record<HostName, string>>): void {
    const router = this.#create('router', { name: `${tenant}-router`, tenant })
    const bridges = new Map(
      networks.map(network => [network, this.#network(tenant, network, router)] as const)
    )
    for (const vm of vms) {
      if (vm.tenant !== tenant) continue
      const binding = { host: hostIds[vm.host], interface: vm.name }
      const guard = vm.name === 'red-db1' ? this.#guard() : {}
      const device = bridges.get(vm.network)!
      this.#create('port', { name: vm.name, type: 'bridge', device, ...binding, ...guard })
    }
    if (tenant === 'red') this.#uplink(router, hostIds.gateway1)
  }

  #network(tenant: Tenant, network: Network, router: string): string {
    const bridge = this.#create('bridge', { name: `${tenant}-${network}`, tenant })
    const up = randomUUID()
    const down = randomUUID()
    const n = `${tenants.indexOf(tenant)}${networks.indexOf(network)}`
    const addresses = families.map(f => `${gatewayOf(network, f)}/${lengthOf[f]}`)
    this.#create('port', { id: up, name: 'router', type: 'bridge', device: bridge, peer: down })
    const link = { type: 'router', device: router, peer: up, mac: `02:00:00:00:00:${n}` }
    this.#create('port', { id: down, name: network, ...link, addresses })
    return bridge
  }

  // One chain for both directions: rules are stateless, and nothing is to pass either way.
  #guard(): { inFilter: string; outFilter: string } {
    const chain = this.#create('chain', { name: 'red-db-guard', tenant: 'red' })
    const ends = families.flatMap(family => [
      { source: guarded[family] },
      { destination: guarded[family] }
    ])
    ends.forEach((end, i) => {
      this.#create('rule', { chain, position: i + 1, action: 'drop', ...end })
    })
    return { inFilter: chain, outFilter: chain }
  }

  #uplink(router: string, host: string): void {
    const addresses = families.map(f => `${outside[f].near}/${outside[f].length}`)
    const port = this.#create('port', {
      name: 'uplink',
      type: 'router',
      device: router,
      host,
      interface: outside.interface,
      mac: '02:00:00:00:00:fe',
      addresses
    })
    for (const [destination, family] of [
      ['0.0.0.0/0', 4],
      ['::/0', 6]
    ] as const)
      this.#create('route', { router, destination, port, gateway: outside[family].far })
  }

  #create(kind: string, fields: Fields): string {
    const id = typeof fields.id === 'string' ? fields.id : randomUUID()
    this.changes.push({ op: 'create', kind, value: { ...fields, id } })
    return id
  }
}

/** With prefix lengths, as a VM has them. */
export const addressesOf = (vm: (typeof vms)[number]): string[] =>
  families.map(family => `${addressOf(vm, family)}/${lengthOf[family]}`)
