// The outside of a ground whose gateways speak BGP: two upstream routers, each with a cable to each
// gateway, and behind them the network that connections go to. All three are BIRD; who dies is
// found out by BFD, and nobody is told by hand.
//
//   gateway1 ──┬── r1 ──┐
//         ╲ ╱  │        outside, 198.51.100.1
//         ╱ ╲  │        │
//   gateway2 ──┴── r2 ──┘

import { readFileSync } from 'node:fs'
import { must, type Outside, run, until } from '../../../src/lab/index.ts'
import { Bird, type BirdPeer } from '../../../src/lab/services/bird.ts'
import type { Device, Network } from '../fixtures/index.ts'

const ASN = 65_001 // ours
const ROUTER_ASNS = [65_101, 65_102]
const OUTSIDE_ASN = 65_200
const NETWORK = '198.51.100.0/24'
const BFD = { intervalMs: 100, multiplier: 3 }
const UP_MS = 120_000
const PREFERRED = 200

export const ROUTERS = ['r1', 'r2'] as const
export type Router = (typeof ROUTERS)[number]

export interface UpstreamOptions {
  readonly gateways: readonly string[]
  /** The outside's own. */
  readonly address: string
  /** What we announce. */
  readonly networks: readonly string[]
}

const linkOf = (gateway: number, router: number) => {
  const first = 16 * (2 * gateway + router)
  return { outside: `203.0.113.${first + 1}`, inside: `203.0.113.${first + 2}` }
}
const behind = (router: number) => ({
  near: `192.0.2.${4 * router + 1}`,
  far: `192.0.2.${4 * router + 2}`
})

export class Upstream {
  readonly outside: Outside
  /** Names of our ports whose cables are down. */
  readonly cutPorts = new Set<string>()
  readonly routers: ReadonlyMap<Router, Outside>
  readonly #birds: ReadonlyMap<Router | 'outside', Bird>
  readonly #options: UpstreamOptions
  readonly #ports: ReadonlyMap<string, readonly string[]>

  /** Builds it, and the uplink ports of the router with all that BGP needs. */
  static async build(net: Network, edge: Device, options: UpstreamOptions): Promise<Upstream> {
    const routers = new Map<Router, Outside>()
    const links = []
    for (const [r, name] of ROUTERS.entries()) {
      routers.set(name, await net.lab.outside(name, { links: uplinksOf(net, options, r) }))
      const { near, far } = behind(r)
      const there = [`${near}/30`]
      const end = { interface: 'outside', addresses: [`${far}/30`], there }
      links.push({ host: routers.get(name)!, ...end })
    }
    const outside = await net.lab.outside('outside', {
      links,
      addresses: [`${options.address}/32`]
    })
    const ports = await declare(net, edge, options)
    const birds = new Map<Router | 'outside', Bird>()
    for (const [r, name] of ROUTERS.entries())
      birds.set(name, await Bird.start(routers.get(name)!, routerOptions(options, r)))
    birds.set('outside', await Bird.start(outside, outsideOptions(options.address)))
    return new Upstream(outside, routers, birds, options, ports)
  }

  private constructor(
    outside: Outside,
    routers: ReadonlyMap<Router, Outside>,
    birds: ReadonlyMap<Router | 'outside', Bird>,
    options: UpstreamOptions,
    ports: ReadonlyMap<string, readonly string[]>
  ) {
    this.outside = outside
    this.routers = routers
    this.#birds = birds
    this.#options = options
    this.#ports = ports
  }

  /** Kills what speaks for a gateway, all of it or one program of it. */
  async silence(gateway: string, program = '.'): Promise<void> {
    for (const port of this.#ports.get(gateway)!) {
      const pids = await must(['ip', 'netns', 'pids', namespace(port)])
      for (const pid of pids.split('\n').filter(Boolean))
        if (new RegExp(program).test(commandOf(pid))) process.kill(Number(pid), 'SIGKILL')
    }
  }

  bird(name: Router | 'outside'): Bird {
    return this.#birds.get(name)!
  }

  /** Resolves when every upstream router has a session with these gateways, and our networks. */
  async untilUp(gateways: readonly string[] = this.#options.gateways): Promise<void> {
    const isUp = async (): Promise<boolean> => {
      for (const router of ROUTERS) {
        for (const gateway of gateways)
          if (!(await this.bird(router).session(gateway)).isUp) return false
        const known = await this.bird(router).networks()
        if (!this.#options.networks.every(network => known.includes(network))) return false
      }
      const known = await this.bird('outside').networks()
      return this.#options.networks.every(network => known.includes(network))
    }
    await until('the upstream routers know our networks', isUp, UP_MS)
  }

  /** From now on the upstream routers send by this gateway while they can; null: by all alike. */
  async prefer(gateway: string | null): Promise<void> {
    for (const [r, name] of ROUTERS.entries())
      await this.bird(name).change(routerOptions(this.#options, r, gateway))
  }

  /** Kills an upstream router: BIRD and its cables. */
  async kill(router: Router): Promise<void> {
    for (const gateway of this.#options.gateways) this.cutPorts.add(portName(gateway, router))
    await this.bird(router).kill()
    await Promise.all(this.#interfaces.map(name => this.routers.get(router)!.linkDown(name)))
  }

  async revive(router: Router): Promise<void> {
    await Promise.all(this.#interfaces.map(name => this.routers.get(router)!.linkUp(name)))
    for (const gateway of this.#options.gateways) this.cutPorts.delete(portName(gateway, router))
    await this.bird(router).start()
  }

  /** Cuts or mends the cable between a gateway and a router, at the router's end. */
  async cut(gateway: string, router: Router, isCut: boolean): Promise<void> {
    const ifname = `eth${this.#options.gateways.indexOf(gateway)}`
    const machine = this.routers.get(router)!
    if (isCut) this.cutPorts.add(portName(gateway, router))
    else this.cutPorts.delete(portName(gateway, router))
    await (isCut ? machine.linkDown(ifname) : machine.linkUp(ifname))
  }

  /** Ends what speaks outside, and what outlives the agents of the gateways. */
  async close(): Promise<void> {
    await Promise.all([...this.#birds.values()].map(bird => bird.close()))
    for (const gateway of this.#options.gateways) {
      await this.silence(gateway)
      for (const port of this.#ports.get(gateway)!)
        await run(['ip', 'netns', 'del', namespace(port)])
    }
  }

  get #interfaces(): string[] {
    return ['outside', ...this.#options.gateways.map((_, i) => `eth${i}`)]
  }
}

const portName = (gateway: string, router: Router): string => `${gateway}-${router}`
const uplinkName = (router: number): string => `uplink${router}`

const uplinksOf = (net: Network, { gateways }: UpstreamOptions, router: number) =>
  gateways.map((gateway, g) => ({
    host: net.host(gateway),
    interface: uplinkName(router),
    addresses: [`${linkOf(g, router).outside}/28`]
  }))

const namespace = (port: string): string => `mezzo-bgp-${port.slice(0, 8)}`

// '' when it is gone.
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}

// Uplink ports, the speaker, its peers and what it announces. Gives the ports of each gateway.
async function declare(net: Network, edge: Device, options: UpstreamOptions) {
  const ports = new Map<string, string[]>()
  await net.create('bgp-speaker', { router: edge.id, asn: ASN, maximumPaths: 8 })
  for (const prefix of options.networks)
    await net.create('bgp-network', { router: edge.id, prefix })
  for (const [g, gateway] of options.gateways.entries())
    for (const [r, asn] of ROUTER_ASNS.entries()) {
      const { inside, outside } = linkOf(g, r)
      const fields = { name: portName(gateway, ROUTERS[r]!), addresses: [`${inside}/28`] }
      const port = await net.bind(edge, gateway, uplinkName(r), { ...fields, mac: net.mac() })
      ports.set(gateway, [...(ports.get(gateway) ?? []), port])
      const peer = { router: edge.id, port, address: outside, asn, connectS: 1, bfd: BFD }
      await net.create('bgp-peer', peer)
    }
  const all = [...ports.values()].flat()
  await net.create('port-group', { name: 'uplinks', stateful: true, ports: all })
  return ports
}

function routerOptions({ gateways }: UpstreamOptions, r: number, preferred: string | null = null) {
  const peers: BirdPeer[] = gateways.map((name, g) => {
    const preference = name === preferred ? PREFERRED : 100
    return { name, address: linkOf(g, r).inside, asn: ASN, bfd: true, preference }
  })
  const outside = { name: 'outside', address: behind(r).far, asn: OUTSIDE_ASN, bfd: true }
  const asn = ROUTER_ASNS[r]!
  return { asn, routerId: `10.255.0.${r + 1}`, bfd: BFD, peers: [...peers, outside] }
}

function outsideOptions(source: string) {
  const peers = ROUTERS.map((name, r) => {
    return { name, address: behind(r).near, asn: ROUTER_ASNS[r]!, bfd: true }
  })
  const networks = [NETWORK]
  return { asn: OUTSIDE_ASN, routerId: '10.255.0.9', source, bfd: BFD, peers, networks }
}
