// The virtual network of a plan: models for the world, and what its VMs know of themselves.
// Bridge b has 10.0.b.0/24 and 2001:db8:b::/64; its router speaks from .1, a second router from
// .2, VMs from .10 on.  Routers are linked by /30s, and each has routes to every subnet of others.

import type { PortModel } from '../../src/topology/models.ts'
import { formatMac, MAC_BROADCAST, parseMac } from '../../src/wire/address.ts'
import type { WorldObject } from '../world/store.ts'
import { natRules, stateCondition, TRANSLATED } from './nat.ts'
import {
  type LinkPlan,
  type NatPlan,
  NO_MATCH,
  type Plan,
  type RoutePlan,
  type RulePlan
} from './plan.ts'

export interface Station {
  readonly port: string
  readonly host: number
  readonly mac: number
  readonly ip4: string
  readonly ip6: string
  readonly segment: string // who shares its subnet
  readonly silent: boolean
  readonly gateway: Gateway | undefined
}
export interface Gateway {
  readonly mac: number
  readonly ip4: string
  readonly ip6: string
}

type Mutable = { -readonly [K in keyof PortModel]: PortModel[K] }
type Values = { id: string; [field: string]: unknown }

interface Link {
  readonly router: number
  readonly port: string
  readonly gateway4: string // the other end
  readonly gateway6: string
  readonly to: number // router
}

const CHAINS = 2
export const MISSING = '02:00:00:00:99:99'
export { MAC_BROADCAST, MISSING as MAC_MISSING }

// What a VM's port lets in, by the number it drew.
type Security = Partial<Pick<Mutable, 'allowedAddresses' | 'allowedServices'>>
const SECURITIES: readonly ((mac: string, ip4: string, ip6: string) => Security)[] = [
  () => ({}),
  (mac, ip4, ip6) => ({ allowedAddresses: [{ mac, ips: [ip4, ip6] }] }),
  () => ({}),
  mac => ({ allowedAddresses: [{ mac }], allowedServices: ['ra'] }),
  (mac, ip4) => ({
    allowedAddresses: [{ mac, ips: [ip4.replace(/\d+$/, '8/29'), '2001:db8::/32'] }]
  }),
  () => ({ allowedServices: [] })
]

export class Net {
  readonly objects: WorldObject[] = []
  readonly stations: Station[] = []
  readonly routers: number
  readonly bridges: number
  readonly ports: string[] = []
  readonly vips: { readonly ip4: string; readonly ip6: string }[] = [] // beyond every router
  readonly plan: Plan
  readonly #ports = new Map<string, Mutable>()
  readonly #gateways: (Gateway | undefined)[] = []
  readonly #links: Link[] = []
  readonly #attached: Set<number>[] = [] // bridges of each router
  readonly #segments: number[] = []

  constructor(plan: Plan) {
    this.plan = plan
    this.routers = plan.routers
    this.bridges = plan.bridges.length
    for (let r = 0; r < this.routers; r++) this.#add('router', { id: `r${r}` })
    for (let b = 0; b < this.bridges; b++) this.#add('bridge', { id: `b${b}` })
    for (let r = 0; r < this.routers; r++) this.#attached.push(new Set())
    for (let b = 0; b < this.bridges; b++) this.#segments.push(b)
    plan.bridges.forEach((router, b) => {
      if (router % 4 !== 3) this.#linkBridge(b, router % this.routers)
    })
    for (const link of plan.links) this.#link(link)
    for (const [i, { bridge, host, silent }] of plan.vms.entries())
      this.#vm(i, bridge % this.bridges, host, silent, Math.floor(bridge / this.bridges))
    for (const [i, { router, host }] of plan.uplinks.entries())
      this.#uplink(i, router % this.routers, host)
    for (let c = 0; c < CHAINS; c++) this.#add('chain', { id: `c${c}`, name: `c${c}` })
    this.#add('port-group', { id: 'pg', name: 'pg', ports: [this.stations[0]!.port] })
    this.#add('ip-group', { id: 'ig', name: 'ig', addresses: [this.stations[0]!.ip4] })
    this.#routes()
    for (const [i, rule] of plan.rules.entries()) this.#add('rule', this.rule(`rule${i}`, rule, i))
    for (const [i, route] of plan.routes.entries())
      this.#add('route', this.route(`route${i}`, route))
    for (const at of plan.down)
      this.#ports.get(this.ports[at % this.ports.length]!)!.adminStateUp = false
    for (const { at, chain, out } of plan.filters) {
      const target = this.objects.find(each => each.value === this.target(at))!
      const field = out ? 'outFilter' : 'inFilter'
      ;(target.value as Values)[field] = `c${chain % CHAINS}`
    }
    for (const [i, nat] of (plan.nats ?? []).entries()) this.#nat(`n${i}`, nat)
    if (plan.nats !== undefined) this.vips.push(TRANSLATED)
  }

  #nat(id: string, plan: NatPlan): void {
    const router = `r${plan.router % this.routers}`
    const { value } = this.objects.find(each => each.value.id === router)!
    const rules = natRules(this, plan)
    for (const [filter, list] of [
      ['inFilter', rules.in],
      ['outFilter', rules.out]
    ] as const) {
      const chain = `${id}-${filter}`
      this.#add('chain', { id: chain, name: chain })
      for (const [i, rule] of list.entries())
        this.#add('rule', { id: `${chain}-${i}`, chain, position: i + 1, ...rule })
      ;(value as Values)[filter] = chain
    }
  }

  // A port, bridge or router.
  target(at: number): Values {
    const all = this.objects.filter(({ kind }) => ['port', 'bridge', 'router'].includes(kind))
    return all[at % all.length]!.value as Values
  }

  kindOf(id: string): string {
    return this.objects.find(({ value }) => value.id === id)!.kind
  }

  // --- ports -------------------------------------------------------------------------------------

  #add(kind: string, value: Values): void {
    this.objects.push({ kind, value })
  }

  #port(id: string, fields: Omit<Mutable, 'id' | 'number'>): void {
    const port = { id, number: this.ports.length + 1, ...fields } as Mutable
    this.ports.push(id)
    this.#ports.set(id, port)
    this.#add('port', port as unknown as Values)
  }

  #mac(): string {
    return formatMac(parseMac('02:aa:00:00:00:00') + this.ports.length)
  }

  #linkBridge(b: number, r: number): void {
    if (this.#attached[r]!.has(b)) return
    this.#attached[r]!.add(b)
    const host =
      this.#gateways[b] === undefined ? 1 : 1 + this.#attached.findIndex(s => s.has(b)) + r
    const mac = this.#mac()
    const ip4 = `10.0.${b}.${host}`
    const ip6 = `2001:db8:${b}::${host}`
    const [a, z] = [`r${r}-b${b}`, `b${b}-r${r}`]
    const addresses = [`${ip4}/24`, `${ip6}/64`]
    this.#port(a, { type: 'router', device: `r${r}`, peer: z, mac, addresses })
    this.#port(z, { type: 'bridge', device: `b${b}`, peer: a })
    this.#gateways[b] ??= { mac: parseMac(mac), ip4, ip6 }
  }

  #link({ kind, a, b }: LinkPlan): void {
    if (kind % 3 === 0) this.#linkBridge(a % this.bridges, b % this.routers)
    else if (kind % 3 === 1) this.#linkRouters(a % this.routers, b % this.routers)
    else this.#linkBridges(a % this.bridges, b % this.bridges)
  }

  #linkRouters(a: number, b: number): void {
    if (a === b) return
    const k = this.ports.length
    const ends = [`r${a}-r${b}-${k}`, `r${b}-r${a}-${k}`] as const
    const ip4 = (i: number): string => `10.255.${k}.${i + 1}`
    const ip6 = (i: number): string => `2001:db8:ff${k}::${i + 1}`
    for (const [i, r, other] of [
      [0, a, b],
      [1, b, a]
    ] as const) {
      const addresses = [`${ip4(i)}/30`, `${ip6(i)}/64`]
      const peer = ends[1 - i]!
      this.#port(ends[i], { type: 'router', device: `r${r}`, peer, mac: this.#mac(), addresses })
      const [gateway4, gateway6] = [ip4(1 - i), ip6(1 - i)]
      this.#links.push({ router: r, port: ends[i], gateway4, gateway6, to: other })
    }
  }

  #linkBridges(a: number, b: number): void {
    if (a === b) return
    const [one, other] = [this.#segments[a]!, this.#segments[b]!]
    if (one === other && !this.plan.loops) return
    if (one === other && this.ports.some(id => id.endsWith('-loop'))) return
    const end = `${this.ports.length}${one === other ? '-loop' : ''}`
    const [x, y] = [`b${a}-b${b}-${end}`, `b${b}-b${a}-${end}`]
    this.#port(x, { type: 'bridge', device: `b${a}`, peer: y })
    this.#port(y, { type: 'bridge', device: `b${b}`, peer: x })
    for (const [i, s] of this.#segments.entries()) if (s === other) this.#segments[i] = one
  }

  #vm(i: number, b: number, host: number, silent: boolean, secured: number): void {
    const port = `vm${i}`
    const at = `h${host % this.plan.hosts}`
    const mac = parseMac('02:00:00:00:01:00') + i
    const [ip4, ip6] = [`10.0.${b}.${10 + i}`, `2001:db8:${b}::${10 + i}`]
    const security = SECURITIES[secured % SECURITIES.length]!(formatMac(mac), ip4, ip6)
    const bound = { host: at, interface: `eth-${port}` }
    this.#port(port, { type: 'bridge', device: `b${b}`, ...bound, ...security })
    this.stations.push({
      port,
      host,
      mac,
      ip4,
      ip6,
      segment: `b${b}`,
      silent,
      gateway: this.#gateways[b]
    })
  }

  // A router port bound to an interface, with a station behind it.
  #uplink(i: number, r: number, host: number): void {
    const port = `up${i}`
    const mac = this.#mac()
    const [ip4, ip6] = [`192.0.2.${1 + 64 * i}`, `2001:db8:aa${i}::1`]
    const addresses = [`${ip4}/26`, `${ip6}/64`]
    const at = { host: `h${host % this.plan.hosts}`, interface: `eth-${port}` }
    this.#port(port, { type: 'router', device: `r${r}`, mac, addresses, ...at })
    this.stations.push({
      port,
      host,
      mac: parseMac('02:00:00:00:02:00') + i,
      ip4: `192.0.2.${10 + 64 * i}`,
      ip6: `2001:db8:aa${i}::10`,
      segment: port,
      silent: false,
      gateway: { mac: parseMac(mac), ip4, ip6 }
    })
  }

  // --- routes ------------------------------------------------------------------------------------

  // Each router's way to every subnet it is not on: breadth first over the links.
  #routes(): void {
    for (let r = 0; r < this.routers; r++) {
      const first = this.#firstHops(r)
      for (let b = 0; b < this.bridges; b++) {
        if (this.#attached[r]!.has(b)) continue
        const owner = this.#attached.findIndex((of, other) => of.has(b) && first.has(other))
        const link = first.get(owner)
        if (link !== undefined) this.#subnetRoutes(`auto-r${r}-b${b}`, `r${r}`, b, link)
      }
    }
  }

  #subnetRoutes(id: string, router: string, b: number, link: Link): void {
    const { port, gateway4, gateway6 } = link
    const v4 = { destination: `10.0.${b}.0/24`, gateway: gateway4 }
    const v6 = { destination: `2001:db8:${b}::/64`, gateway: gateway6 }
    this.#add('route', { id: `${id}-4`, router, port, ...v4 })
    this.#add('route', { id: `${id}-6`, router, port, ...v6 })
  }

  #firstHops(from: number): Map<number, Link> {
    const first = new Map<number, Link>()
    const queue: [number, Link | undefined][] = [[from, undefined]]
    for (let at = queue.shift(); at !== undefined; at = queue.shift())
      for (const link of this.#links) {
        if (link.router !== at[0] || first.has(link.to) || link.to === from) continue
        first.set(link.to, at[1] ?? link)
        queue.push([link.to, at[1] ?? link])
      }
    return first
  }

  route(id: string, plan: RoutePlan): Values {
    const r = plan.router % this.routers
    const destinations = this.#destinations()
    const destination = destinations[plan.destination % destinations.length]!
    const isV6 = destination.includes(':')
    const weight = 50 * plan.weight
    const common = { id, router: `r${r}`, destination, weight, ...this.#source(plan.source, isV6) }
    if (plan.type % 4 >= 2) return { ...common, type: plan.type % 4 === 2 ? 'blackhole' : 'reject' }
    const ports = this.ports.filter(port => this.#ports.get(port)!.device === `r${r}`)
    if (ports.length === 0) return { ...common, type: 'blackhole' }
    const port = ports[plan.port % ports.length]!
    const gateway = this.#gatewayOf(port, plan.gateway, isV6)
    return { ...common, port, ...(gateway === undefined ? {} : { gateway }) }
  }

  #destinations(): string[] {
    const { ip4, ip6 } = this.stations.at(-1)!
    const all = ['0.0.0.0/0', '::/0', `${ip4}/32`, `${ip6}/128`, '203.0.113.0/24', '2001:db8::/32']
    for (let b = 0; b < this.bridges; b++)
      all.push(`10.0.${b}.0/24`, `10.0.${b}.8/30`, `2001:db8:${b}::/64`, `2001:db8:${b}::8/125`)
    return all
  }

  #source(n: number, isV6: boolean): { source?: string } {
    if (n % 3 !== 0) return {}
    const b = n % this.bridges
    return { source: isV6 ? `2001:db8:${b}::/64` : `10.0.${b}.${n & 8}/29` }
  }

  #gatewayOf(port: string, n: number, isV6: boolean): string | undefined {
    const link = this.#links.find(each => each.port === port)
    if (link !== undefined) return isV6 ? link.gateway6 : link.gateway4
    if (n % 2 === 0) return undefined
    const near = this.stations.filter(({ gateway }) =>
      this.#ports.get(port)!.addresses!.includes(`${gateway?.ip4}/24`)
    )
    const via = near[n % Math.max(1, near.length)]
    return isV6 ? via?.ip6 : via?.ip4
  }

  // --- rules -------------------------------------------------------------------------------------

  rule(id: string, plan: RulePlan, position: number): Values {
    const actions = ['drop', 'accept', 'drop', 'reject', 'return', 'jump']
    const action = actions[plan.action % actions.length]!
    return {
      id,
      chain: `c${plan.chain % CHAINS}`,
      position: position + 1,
      action,
      ...(action === 'jump' ? { jumpChain: `c${(plan.chain + 1) % CHAINS}` } : {}),
      ...this.#condition(plan.match, plan.value, plan.invert),
      ...(plan.more === 0 ? {} : this.#condition(plan.match + plan.more, plan.value, false)),
      ...stateCondition(plan.state ?? 0, plan.invert)
    }
  }

  #condition(match: number, value: number, invert: boolean): Record<string, unknown> {
    if (match === NO_MATCH) return {}
    const { stations } = this
    const vm = stations[value % stations.length]!
    const all: Record<string, unknown>[] = [
      { protocol: 17, invertProtocol: invert },
      { protocol: value & 1 ? 6 : 58, invertProtocol: invert },
      {
        destinationPorts: { start: 2000, end: 2000 + (value & 1) },
        invertDestinationPorts: invert
      },
      { sourcePorts: { end: 1000 }, invertSourcePorts: invert },
      { source: `${vm.ip4}/32`, invertSource: invert },
      { source: `10.0.${value % this.bridges}.8/29` },
      { destination: `${vm.ip4}/31`, invertDestination: invert },
      { destination: `${vm.ip6}/${value & 1 ? 128 : 64}`, invertDestination: invert },
      { ethType: value & 1 ? 0x86dd : 0x0800, invertEthType: invert },
      { ethSrc: formatMac(vm.mac), ethSrcMask: value & 1 ? 'ff:ff:ff:ff:ff:fe' : undefined },
      { ethDst: formatMac(vm.mac), invertEthDst: invert },
      { tos: 16, invertTos: invert },
      { fragmentPolicy: ['unfragmented', 'nonheader', 'header'][value % 3] },
      { inPorts: [this.ports[value % this.ports.length]], invertInPorts: invert },
      { outPorts: [this.ports[value % this.ports.length]], invertOutPorts: invert },
      { portGroup: 'pg', invertPortGroup: invert },
      { ipGroupSource: 'ig', invertIpGroupSource: invert },
      { traversedDevice: `r${value % this.routers}`, invertTraversedDevice: invert }
    ]
    return all[match % all.length]!
  }
}
