// The plan as objects of the store: what a tenant would have made by the API, in one write.
// test/lab/demo.test.ts holds it.

import { randomUUID } from 'node:crypto'
import type { Change } from '../../topology/store.ts'
import {
  addressOf,
  type Family,
  families,
  gatewayOf,
  type HostName,
  hosts,
  lengthOf,
  type Network,
  networks,
  snat,
  type Tenant,
  tenants,
  vip,
  vms
} from './plan.ts'
import { type AddUplinks, type Create, type Fields, staticUplinks } from './static-uplinks.ts'
import { SERVER_PORT } from './talks.ts'

/** What is to be written to the store. */
export interface Built {
  readonly changes: readonly Change[]
  /** Ids of the hosts. */
  readonly hosts: Readonly<Record<HostName, string>>
  /** By the name of the VM. */
  readonly ports: ReadonlyMap<string, string>
}

/** The whole topology of the plan, as changes of the store. */
export function buildTopology(
  underlay: Readonly<Record<HostName, string>>,
  addUplinks: AddUplinks = staticUplinks
): Built {
  const topology = new Topology()
  const hostIds = topology.hosts(underlay)
  const routers = tenants.map(tenant => [tenant, topology.tenant(tenant, hostIds)] as const)
  addUplinks(topology.create, Object.fromEntries(routers) as Record<Tenant, string>, hostIds)
  return { changes: topology.changes, hosts: hostIds, ports: topology.ports }
}

class Topology {
  readonly changes: Change[] = []
  readonly ports = new Map<string, string>()

  hosts(underlay: Readonly<Record<HostName, string>>): Record<HostName, string> {
    const zone = this.create('tunnel-zone', { name: 'underlay', type: 'vxlan' })
    const entries = hosts.map(name => {
      const host = this.create('host', { name })
      this.create('tunnel-zone-host', { zone, host, address: underlay[name] })
      return [name, host] as const
    })
    return Object.fromEntries(entries) as Record<HostName, string>
  }

  tenant(tenant: Tenant, hostIds: Readonly<Record<HostName, string>>): string {
    const services = tenant === 'red' ? this.#balanced() : this.#translated()
    const router = this.create('router', { name: `${tenant}-router`, tenant, ...services })
    const bridges = new Map(
      networks.map(network => [network, this.#network(tenant, network, router)] as const)
    )
    for (const vm of vms) {
      if (vm.tenant !== tenant) continue
      const binding = { host: hostIds[vm.host], interface: vm.name }
      const guard = vm.name === 'red-db1' ? this.#guard() : {}
      const device = bridges.get(vm.network)!
      const port = { name: vm.name, type: 'bridge', device, ...binding, ...guard }
      this.ports.set(vm.name, this.create('port', port))
    }
    return router
  }

  #network(tenant: Tenant, network: Network, router: string): string {
    const bridge = this.create('bridge', { name: `${tenant}-${network}`, tenant })
    const up = randomUUID()
    const down = randomUUID()
    const n = `${tenants.indexOf(tenant)}${networks.indexOf(network)}`
    const addresses = families.map(f => `${gatewayOf(network, f)}/${lengthOf[f]}`)
    this.create('port', { id: up, name: 'router', type: 'bridge', device: bridge, peer: down })
    const link = { type: 'router', device: router, peer: up, mac: `02:00:00:00:00:${n}` }
    this.create('port', { id: down, name: network, ...link, addresses })
    return bridge
  }

  // What red's database hears: answers, and its own web servers. What it opens is watched, so that
  // there is something to belong to.
  #guard(): { inFilter: string; outFilter: string } {
    const watch = this.#chain('red-db-watch', 'red', [{ action: 'accept', matchForwardFlow: true }])
    const guard = this.#chain('red-db-guard', 'red', [
      { action: 'accept', connectionStates: ['established', 'related'] },
      ...families.map(family => ({ action: 'accept', source: networkOf('web', family) })),
      { action: 'accept', ethType: 0x806 },
      { action: 'accept', protocol: 'icmpv6', sourcePorts: { start: 133, end: 136 } },
      { action: 'drop' }
    ])
    return { inFilter: watch, outFilter: guard }
  }

  // Blue goes out under one address of each family.
  #translated(): { inFilter: string; outFilter: string } {
    const [portFrom, portTo] = [1024, 65535]
    const rules = families.map(family => {
      const source = family === 4 ? '10.0.0.0/8' : 'fd00::/16'
      const destination = family === 4 ? '203.0.113.0/24' : '2001:db8:113::/48'
      const natTargets = [{ from: snat[family], to: snat[family], portFrom, portTo }]
      return { action: 'snat', source, destination, natTargets }
    })
    return {
      inFilter: this.#chain('blue-back', 'blue', [{ action: 'reverse-snat' }]),
      outFilter: this.#chain('blue-out', 'blue', rules)
    }
  }

  #balanced(): { loadBalancer: string } {
    const loadBalancer = this.create('load-balancer', { name: 'red-lb', tenant: 'red' })
    const pool = this.create('pool', { loadBalancer, name: 'red-web' })
    this.create('vip', { pool, name: 'red-vip', ...vip })
    for (const vm of vms)
      if (vm.tenant === 'red' && vm.network === 'web')
        this.create('pool-member', { pool, address: addressOf(vm, 4), port: SERVER_PORT })
    return { loadBalancer }
  }

  #chain(name: string, tenant: Tenant, rules: readonly Fields[]): string {
    const chain = this.create('chain', { name, tenant })
    rules.forEach((rule, i) => {
      this.create('rule', { chain, position: i + 1, ...rule })
    })
    return chain
  }

  readonly create: Create = (kind, fields) => {
    const id = typeof fields.id === 'string' ? fields.id : randomUUID()
    this.changes.push({ op: 'create', kind, value: { ...fields, id } })
    return id
  }
}

const networkOf = (network: Network, family: Family): string =>
  gatewayOf(network, family).replace(/1$/, `0/${lengthOf[family]}`)

/** With prefix lengths, as a VM has them. */
export const addressesOf = (vm: (typeof vms)[number]): string[] =>
  families.map(family => `${addressOf(vm, family)}/${lengthOf[family]}`)
