// The outside of a ground whose gateways speak BGP (src/lab/upstream), and the uplink ports of ours
// with all that BGP needs.

import { readFileSync } from 'node:fs'
import { must, type Outside, run } from '../../../src/lab/index.ts'
import type { Bird } from '../../../src/lab/services/bird.ts'
import {
  ROUTER_ASNS,
  ROUTERS,
  type Router,
  type UpstreamPlan
} from '../../../src/lab/upstream/sessions.ts'
import { Upstream as Outer, uplinkName } from '../../../src/lab/upstream/upstream.ts'
import type { Device, Network } from '../fixtures/index.ts'

const ASN = 65_001 // ours
const NETWORK = '198.51.100.0/24'
const BFD = { intervalMs: 100, multiplier: 3 }

export interface UpstreamOptions {
  readonly gateways: readonly string[]
  /** The outside's own. */
  readonly address: string
  /** What we announce. */
  readonly networks: readonly string[]
}

const planOf = ({ gateways, address }: UpstreamOptions): UpstreamPlan => ({
  asn: ASN,
  gateways,
  addresses: [address],
  networks: [NETWORK],
  bfd: BFD,
  link(gateway, router) {
    const first = 16 * (2 * gateway + router)
    return [{ near: `203.0.113.${first + 2}`, far: `203.0.113.${first + 1}`, length: 28 }]
  },
  behind: router => [
    { near: `192.0.2.${4 * router + 1}`, far: `192.0.2.${4 * router + 2}`, length: 30 }
  ]
})

export class Upstream {
  /** Names of our ports whose cables are down. */
  readonly cutPorts = new Set<string>()
  readonly #outer: Outer
  readonly #options: UpstreamOptions
  readonly #ports: ReadonlyMap<string, readonly string[]>

  /** Builds it, and the uplink ports of the router with all that BGP needs. */
  static async build(net: Network, edge: Device, options: UpstreamOptions): Promise<Upstream> {
    const plan = planOf(options)
    const outer = await Outer.build(net.lab, plan)
    return new Upstream(outer, options, await declare(net, edge, options, plan))
  }

  private constructor(
    outer: Outer,
    options: UpstreamOptions,
    ports: ReadonlyMap<string, readonly string[]>
  ) {
    this.#outer = outer
    this.#options = options
    this.#ports = ports
  }

  get outside(): Outside {
    return this.#outer.outside
  }

  get routers(): ReadonlyMap<Router, Outside> {
    return this.#outer.routers
  }

  /** Kills what speaks for a gateway, all of it or one program of it. */
  async silence(gateway: string, program = '.'): Promise<void> {
    for (const port of this.#ports.get(gateway)!) {
      const pids = await must(['ip', 'netns', 'pids', namespace(port)])
      for (const pid of pids.split('\n').filter(Boolean))
        if (new RegExp(program).test(commandOf(pid))) kill(Number(pid))
    }
  }

  bird(name: Router | 'outside'): Bird {
    return this.#outer.bird(name)
  }

  /** Resolves when every upstream router has a session with these gateways, and our networks. */
  untilUp(gateways?: readonly string[]): Promise<void> {
    return this.#outer.untilUp(this.#options.networks, gateways)
  }

  prefer(gateway: string | null): Promise<void> {
    return this.#outer.prefer(gateway)
  }

  async kill(router: Router): Promise<void> {
    for (const gateway of this.#options.gateways) this.cutPorts.add(portName(gateway, router))
    await this.#outer.kill(router)
  }

  async revive(router: Router): Promise<void> {
    for (const gateway of this.#options.gateways) this.cutPorts.delete(portName(gateway, router))
    await this.#outer.revive(router)
  }

  async cut(gateway: string, router: Router, isCut: boolean): Promise<void> {
    if (isCut) this.cutPorts.add(portName(gateway, router))
    else this.cutPorts.delete(portName(gateway, router))
    await this.#outer.cut(gateway, router, isCut)
  }

  /** Ends what speaks outside, and what outlives the agents of the gateways. */
  async close(): Promise<void> {
    await this.#outer.close()
    for (const gateway of this.#options.gateways) {
      await this.silence(gateway)
      for (const port of this.#ports.get(gateway)!)
        await run(['ip', 'netns', 'del', namespace(port)])
    }
  }
}

const namespace = (port: string): string => `mezzo-bgp-${port.slice(0, 8)}`
const portName = (gateway: string, router: Router): string => `${gateway}-${router}`

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

// '' when it is gone.
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}

// Uplink ports, the speaker, its peers and what it announces. Gives the ports of each gateway.
async function declare(net: Network, edge: Device, options: UpstreamOptions, plan: UpstreamPlan) {
  const ports = new Map<string, string[]>()
  await net.create('bgp-speaker', { router: edge.id, asn: ASN, maximumPaths: 8 })
  for (const prefix of options.networks)
    await net.create('bgp-network', { router: edge.id, prefix })
  for (const [g, gateway] of options.gateways.entries())
    for (const [r, asn] of ROUTER_ASNS.entries()) {
      const { near, far, length } = plan.link(g, r)[0]!
      const fields = { name: portName(gateway, ROUTERS[r]!), addresses: [`${near}/${length}`] }
      const port = await net.bind(edge, gateway, uplinkName(r), { ...fields, mac: net.mac() })
      ports.set(gateway, [...(ports.get(gateway) ?? []), port])
      const peer = { router: edge.id, port, address: far, asn, connectS: 1, bfd: BFD }
      await net.create('bgp-peer', peer)
    }
  const all = [...ports.values()].flat()
  await net.create('port-group', { name: 'uplinks', stateful: true, ports: all })
  return ports
}
