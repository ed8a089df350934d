// Two gateways that speak BGP, each with two sessions at its uplink port, and a world that both
// lead to. What the VMs s1, s2 and s3 send leaves in the name of 200.0.0.1.
//
//   198.51.100.0/24                     180.0.1.0/28 and .16/28
//   203.0.113.0/24, by default: upstream1 (65101) ════ up1, gw1 ─┐
//                                  │ 10.9.9.0/24                 ├─ edge (65001) ┬ red
//                               upstream2 (65102) ════ up2, gw2 ─┘               └ blue
//                                       180.0.2.0/28 and .16/28
//
// The VMs are on compute1: red is 10.0.1.0/24, blue 10.0.2.0/24.

import { existsSync } from 'node:fs'
import { learnedTable } from '../../plugins/router/token.ts'
import { type Outside, until, type Vm } from '../../src/lab/index.ts'
import { Bird, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'
import { type ChildAgent, type Device, Network, patient } from './fixtures/index.ts'

export const GATEWAYS = ['gw1', 'gw2'] as const
export const OURS = '10.0.1.0/24'
export const SNAT = '200.0.0.1'
export const POOL = '200.0.0.0/24'
export const WORLD = Array.from({ length: 8 }, (_, i) => `198.51.100.${i + 1}`)
export const FAR = '203.0.113.9'
export const NETWORKS = ['198.51.100.0/24', '0.0.0.0/0']
export const PATIENCE_MS = 60_000
const ASN = 65_001
const HOLD_S = 60 // a session that is to stay stands a machine that does not run for a moment
const NAT_SOURCES = '10.0.1.16/28'

/** Of the two at each port. */
export type SessionName = 'one' | 'two'
const SESSIONS: readonly SessionName[] = ['one', 'two']

/** A session: which uplink's, and which of its two. */
export type Session = readonly [uplink: number, name: SessionName]

const ours = ([n, name]: Session): string => `180.0.${n}.${name === 'one' ? 2 : 18}`
export const theirs = ([n, name]: Session): string => `180.0.${n}.${name === 'one' ? 1 : 17}`

/** Why there can be none here, or false. */
export function whyNoSite(): string | false {
  return Network.skip() || (missingForBird() ?? missingForFrr() ?? false)
}

export class Site {
  readonly net: Network
  readonly edge: Device
  readonly upstreams: Outside[] = []
  readonly birds: Bird[] = []
  /** Uplink ports. */
  readonly ports: string[] = []
  readonly vms = new Map<string, Vm>()
  readonly #peers = new Map<string, string>() // by their addresses

  static async open(prefix: string): Promise<Site> {
    const hosts = ['compute1', ...GATEWAYS]
    const net = await Network.open({ prefix, hosts, processes: true, state: patient })
    try {
      const edge = await net.router('edge', await filters(net))
      const site = new Site(net, edge)
      await site.#build()
      return site
    } catch (error) {
      await net.close()
      throw error
    }
  }

  private constructor(net: Network, edge: Device) {
    this.net = net
    this.edge = edge
  }

  async #build(): Promise<void> {
    const { net, edge } = this
    for (const n of [1, 2]) await this.#upstream(n)
    for (const [i, name] of ['red', 'blue'].entries()) {
      const bridge = await net.bridge(name)
      await net.plug(edge, bridge, [`10.0.${i + 1}.1/24`])
      const vms = i === 0 ? { a: 11, s1: 17, s2: 18, s3: 19 } : { b: 11 }
      for (const [vm, last] of Object.entries(vms)) await this.plug(vm, bridge, i + 1, last)
    }
    await net.create('port-group', { name: 'uplinks', stateful: true, ports: this.ports })
    await net.create('bgp-speaker', { router: edge.id, asn: ASN })
    for (const prefix of [OURS, POOL]) await net.create('bgp-network', { router: edge.id, prefix })
    await net.start()
  }

  async #upstream(n: number): Promise<void> {
    const { net, edge, upstreams } = this
    const sessions = SESSIONS.map((name): Session => [n, name])
    const addresses = sessions.map(session => `${theirs(session)}/28`)
    const up = { host: net.host(GATEWAYS[n - 1]!), interface: 'up', addresses }
    const [first] = upstreams
    const between = { interface: 'other', addresses: ['10.9.9.2/24'], there: ['10.9.9.1/24'] }
    const links = first === undefined ? [up] : [up, { host: first, ...between }]
    const own = n === 1 ? [...WORLD, FAR].map(address => `${address}/32`) : []
    const outside = await net.lab.outside(`upstream${n}`, { links, addresses: own })
    upstreams.push(outside)
    const fields = {
      name: `up${n}`,
      mac: net.mac(),
      addresses: sessions.map(each => `${ours(each)}/28`)
    }
    this.ports.push(await net.bind(edge, GATEWAYS[n - 1]!, 'up', fields))
    const common = { holdS: HOLD_S }
    const peers = sessions.map(each => {
      return { ...common, name: each[1], address: ours(each), asn: ASN }
    })
    const other = { ...common, name: 'aside', address: `10.9.9.${3 - n}`, asn: 65_103 - n }
    const options = { asn: 65_100 + n, routerId: `9.9.9.${n}`, peers: [...peers, other] }
    const networks = n === 1 ? NETWORKS : []
    this.birds.push(await Bird.start(outside, { ...options, networks }))
  }

  /** A VM of compute1 at a bridge, behind the router. */
  async plug(name: string, at: Device, net: number, last: number): Promise<Vm> {
    const addresses = [`10.0.${net}.${last}/24`]
    const options = { on: 'compute1', at, addresses, gateway: `10.0.${net}.1` }
    const vm = await this.net.vm(name, options)
    this.vms.set(name, vm)
    return vm
  }

  vm(name: string): Vm {
    return this.vms.get(name)!
  }

  bird(n: number): Bird {
    return this.birds[n - 1]!
  }

  /** What the agent of a gateway has printed: its log. */
  logOf(gateway: string): string {
    return (this.net.agent(gateway) as ChildAgent).output
  }

  // --- sessions

  /** Declares a peer; the session comes up later. */
  async peer(session: Session): Promise<void> {
    const address = theirs(session)
    const place = { router: this.edge.id, address, name: `p${address}` }
    const fields = { ...place, asn: 65_100 + session[0], connectS: 1, holdS: HOLD_S }
    this.#peers.set(address, await this.net.create('bgp-peer', fields))
  }

  /** An operator shuts it, or lets it come up again. */
  async shut(session: Session, isShut: boolean): Promise<void> {
    const adminStateUp = isShut ? false : undefined
    await this.net.change('bgp-peer', this.#peers.get(theirs(session))!, { adminStateUp })
  }

  /** The router outside fails, as far as this session goes, or is back. */
  async fail([n, name]: Session, hasFailed: boolean): Promise<void> {
    await this.bird(n).ask(hasFailed ? 'disable' : 'enable', name)
  }

  /** Resolves when the ways out are by these sessions, and these alone. */
  async waysOut(...sessions: readonly Session[]): Promise<void> {
    const wanted = sessions.map(theirs).sort().join(' ')
    const isSo = async (): Promise<boolean> =>
      (await this.waysTo(NETWORKS[0]!)).join(' ') === wanted
    await until(`ways out by ${wanted}`, isSo, PATIENCE_MS)
  }

  /** Next hops of a learned route. */
  async waysTo(prefix: string): Promise<string[]> {
    const hops = (await this.learned()).get(prefix) ?? []
    return [...new Set(hops)].sort()
  }

  /** Next hops of what is learned, by prefix. */
  async learned(): Promise<Map<string, string[]>> {
    const entries = await this.net.appliance.store.table(learnedTable(this.edge.id)).entries()
    const all = new Map<string, string[]>()
    for (const { key, value } of entries) {
      const prefix = key.split(' ')[2]!
      const hops = (JSON.parse(value) as { gateway: string }[]).map(({ gateway }) => gateway)
      all.set(prefix, [...(all.get(prefix) ?? []), ...hops])
    }
    return all
  }

  /** Resolves when an upstream router knows our networks by these of its sessions alone. */
  async waysIn(n: number, ...names: readonly SessionName[]): Promise<void> {
    const isSo = async (): Promise<boolean> => {
      const told = await Promise.all(SESSIONS.map(name => this.bird(n).networks(name)))
      return SESSIONS.every((name, i) => told[i]!.includes(OURS) === names.includes(name))
    }
    await until(`ways in from upstream${n} by ${names}`, isSo, PATIENCE_MS)
  }

  /**
   * The connection of a session: another one has another port. While a session begins there may be
   * two, each end having called the other.
   */
  async connection([n, name]: Session): Promise<string> {
    const [here, there] = [theirs([n, name]), ours([n, name])]
    let found: string | undefined
    const isThere = async (): Promise<boolean> => {
      const text = await this.upstreams[n - 1]!.must(['ss', '-Htn', 'state', 'established'])
      const lines = text.split('\n').map(line => line.replace(/%\w+/, '').trim().split(/\s+/))
      const ends = lines.map(words => words.slice(2, 4).join(' '))
      const own = ends.filter(each => each.startsWith(`${here}:`) && each.includes(` ${there}:`))
      found = own[0]
      return own.length === 1
    }
    await until('the connection of the session', isThere, PATIENCE_MS)
    return found!
  }

  /** As `mezzo bgp status` has it of one uplink's gateway, and what an operator should know. */
  controls(n: number) {
    return this.net.agent(GATEWAYS[n - 1]!).controls()
  }

  // --- the end

  async close(): Promise<void> {
    for (const { id } of await this.#listed('bgp-peer')) await this.net.delete('bgp-peer', id)
    const isOver = (): boolean => this.#places().length === 0
    await until('nobody speaks any more', isOver, PATIENCE_MS).catch(() => {})
    await Promise.all(this.birds.map(bird => bird.close()))
    await this.net.close()
  }

  #places(): string[] {
    return this.ports.filter(port => existsSync(`/run/netns/mezzo-bgp-${port.slice(0, 8)}`))
  }

  async #listed(kind: string): Promise<{ id: string }[]> {
    const all: { id: string }[] = []
    for await (const { value } of this.net.appliance.store.list(kind)) all.push(value)
    return all
  }
}

async function filters(net: Network): Promise<{ inFilter: string; outFilter: string }> {
  const natTargets = [{ from: SNAT, to: SNAT, portFrom: 1024, portTo: 65_535 }]
  const inside = { destination: '10.0.0.0/8', action: 'accept', position: 1 }
  const outFilter = await net.create('chain', { name: 'to outside' })
  await net.create('rule', { chain: outFilter, ...inside })
  const snat = { action: 'snat', source: NAT_SOURCES, natTargets, position: 2 }
  await net.create('rule', { chain: outFilter, ...snat })
  const { chain: inFilter } = await net.chain('from outside', { action: 'reverse-snat' })
  return { inFilter, outFilter }
}
