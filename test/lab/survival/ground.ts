// Where connections have to survive: VMs on two compute hosts, two gateways to one outside, and a
// port group that makes the gateways share state. Four VMs stand for the four classes of
// connections; what is done to a host is done to all of them at once.
//
//   plain ┐                           ┌ gateway1 ─ 203.0.113.0/28  ┐
//   firewall ├ red ─ edge (SNAT, VIP) ┤                            ├ outside, 198.51.100.1
//   snat  ┤                           └ gateway2 ─ 203.0.113.16/28 ┘
//   lb    ┘

import { CrowdServer, type Outside, until, type Vm } from '../../../src/lab/index.ts'
import { type Device, Network, type NetworkOptions } from '../fixtures/index.ts'
import { Upstream } from './upstream.ts'

export const OUTSIDE = '198.51.100.1'
export const GATEWAYS = ['gateway1', 'gateway2'] as const
export const classes = ['plain', 'snat', 'lb', 'firewall'] as const
export type Class = (typeof classes)[number]
export type Gateway = (typeof GATEWAYS)[number]

const SNAT = '180.0.1.200'
const VIP = '180.0.1.100'
const INSIDE = ['10.0.0.0/8', '180.0.1.0/24']
const TOLD = ['10.0.1.0/24', '180.0.1.0/24']
export const PORT = 9000 // of servers, and of the VIP
const LEARNED_MS = 60_000
const HOSTS = ['compute1', 'compute2', ...GATEWAYS]

export interface GroundOptions {
  readonly prefix: string
  /** Of state messages that are sent. */
  readonly lossPerMille?: number
  readonly processes?: boolean
  /** Settings of the agents. */
  readonly agents?: Pick<NetworkOptions, 'state' | 'stateStore' | 'plugins' | 'maintenance'>
  /** Servers for crowds; true when not given. */
  readonly crowds?: boolean
  /** What SNAT may translate to; all from 1024 on when not given. */
  readonly lastPort?: number
  /** Gateways speak BGP with two upstream routers, and nothing outside is told by hand. */
  readonly bgp?: boolean
}

export class Ground {
  readonly net: Network
  readonly outside: Outside
  readonly vms: ReadonlyMap<Class, Vm>
  /** The crowd's server for each class: outside, or for `lb` the member. */
  readonly servers: ReadonlyMap<Class, CrowdServer>
  /** With BGP: the routers outside. */
  readonly upstream: Upstream | undefined

  static async open(options: GroundOptions): Promise<Ground> {
    const { prefix, lossPerMille = 0, processes = true, agents = {} } = options
    const state = { lossPerMille, ...agents.state }
    const net = await Network.open({ prefix, hosts: HOSTS, processes, ...agents, state })
    try {
      return await build(net, options)
    } catch (error) {
      await net.close()
      throw error
    }
  }

  constructor(
    net: Network,
    outside: Outside,
    vms: ReadonlyMap<Class, Vm>,
    servers: ReadonlyMap<Class, CrowdServer>,
    upstream?: Upstream
  ) {
    this.net = net
    this.outside = outside
    this.upstream = upstream
    this.vms = vms
    this.servers = servers
  }

  /** Who connects in a class, and to what. */
  client(of: Class): { from: Vm | Outside; to: string } {
    return of === 'lb' ? { from: this.outside, to: VIP } : { from: this.vms.get(of)!, to: OUTSIDE }
  }

  /** From now on answers come back by this gateway. */
  async returnBy(gateway: Gateway): Promise<void> {
    const via = insideOf(GATEWAYS.indexOf(gateway))
    await this.outside.ip(...INSIDE.map(to => `route replace ${to} via ${via}`))
  }

  async close(): Promise<void> {
    await this.net.close()
    await this.upstream?.close()
  }
}

const outsideOf = (i: number): string => `203.0.113.${16 * i + 1}`
const insideOf = (i: number): string => `203.0.113.${16 * i + 2}`

async function build(net: Network, options: GroundOptions): Promise<Ground> {
  const { crowds = true, lastPort = 65_535 } = options
  const red = await net.bridge('red')
  const filtered = await filters(net, lastPort)
  const edge = await net.router('edge', { ...filtered, loadBalancer: await vip(net) })
  await net.plug(edge, red, ['10.0.1.1/24'])
  const told = { gateways: GATEWAYS, address: OUTSIDE, networks: TOLD }
  const upstream = options.bgp === true ? await Upstream.build(net, edge, told) : undefined
  const outside = upstream?.outside ?? (await uplinks(net, edge))
  const vms = new Map<Class, Vm>()
  for (const [i, name] of classes.entries()) {
    const addresses = [`10.0.1.${11 + i}/24`]
    const place = { on: 'compute1', at: red, addresses, gateway: '10.0.1.1' }
    const port = name === 'firewall' ? await guards(net) : {}
    vms.set(name, await net.vm(name, { ...place, port }))
  }
  await net.start()
  const servers = crowds ? await serve(outside, vms) : new Map<Class, CrowdServer>()
  const ground = new Ground(net, outside, vms, servers, upstream)
  if (upstream === undefined) await ground.returnBy('gateway1')
  else {
    await upstream.untilUp()
    const isOpen = async () => (await vms.get('plain')!.ping(OUTSIDE, { count: 1 })).received === 1
    await until('the way out is learned', isOpen, LEARNED_MS)
  }
  return ground
}

async function serve(outside: Outside, vms: ReadonlyMap<Class, Vm>) {
  const server = await CrowdServer.start(outside, PORT)
  const member = await CrowdServer.start(vms.get('lb')!, PORT)
  return new Map(classes.map(name => [name, name === 'lb' ? member : server]))
}

// One to each gateway, and the way out by the first while it is there.
async function uplinks(net: Network, edge: Device): Promise<Outside> {
  const outside = await net.lab.outside('outside', {
    links: GATEWAYS.map((name, i) => ({
      host: net.host(name),
      interface: 'uplink0',
      addresses: [`${outsideOf(i)}/28`]
    })),
    addresses: [`${OUTSIDE}/32`]
  })
  const ports: string[] = []
  for (const [i, name] of GATEWAYS.entries()) {
    const addresses = [`${insideOf(i)}/28`]
    ports.push(await net.bind(edge, name, 'uplink0', { mac: net.mac(), addresses }))
    const to = { router: edge.id, destination: '0.0.0.0/0', port: ports[i]! }
    await net.create('route', { ...to, gateway: outsideOf(i), weight: 10 * (i + 1) })
  }
  await net.create('port-group', { name: 'uplinks', stateful: true, ports })
  return outside
}

async function chain(net: Network, name: string, rules: readonly object[]): Promise<string> {
  const id = await net.create('chain', { name })
  for (const [i, rule] of rules.entries())
    await net.create('rule', { chain: id, position: i + 1, ...rule })
  return id
}

async function filters(net: Network, portTo: number) {
  const source = '10.0.1.12/32'
  const destination = '198.51.100.0/24'
  const natTargets = [{ from: SNAT, to: SNAT, portFrom: 1024, portTo }]
  const inFilter = await chain(net, 'from outside', [{ action: 'reverse-snat' }])
  const snat = { action: 'snat', source, destination, natTargets }
  return { inFilter, outFilter: await chain(net, 'to outside', [snat]) }
}

// Default drop: what comes in has to belong to what went out.
async function guards(net: Network): Promise<{ inFilter: string; outFilter: string }> {
  const inFilter = await chain(net, 'watch', [{ action: 'accept', matchForwardFlow: true }])
  const outFilter = await chain(net, 'guard', [
    { action: 'accept', connectionStates: ['established', 'related'] },
    { action: 'accept', ethType: 0x806 },
    { action: 'drop' }
  ])
  return { inFilter, outFilter }
}

async function vip(net: Network): Promise<string> {
  const loadBalancer = await net.create('load-balancer', { name: 'lb' })
  const pool = await net.create('pool', { loadBalancer, name: 'web' })
  await net.create('vip', { pool, address: VIP, port: PORT })
  await net.create('pool-member', { pool, address: '10.0.1.13' })
  return loadBalancer
}
