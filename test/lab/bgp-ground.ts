// What lab tests of BGP share: an engine of real FRR, and routers outside of real BIRD. A bridge of
// the kernel stands for the datapath, which carries frames between the cable of the engine's
// namespace and the bound interface.

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { PeerConfig, SpeakerConfig, UplinkPlace } from '../../plugins/bgp/engine/engine.ts'
import { FrrEngine, type FrrEngineOptions } from '../../plugins/bgp/engine/frr-engine.ts'
import { Supervisor, supervisorCounters } from '../../src/agent/control/processes.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { openLog } from '../../src/core/log.ts'
import { type Host, Lab } from '../../src/lab/index.ts'
import type { Outside } from '../../src/lab/machines/outside.ts'
import { Bird, type BirdOptions, missingForBird } from '../../src/lab/services/bird.ts'
import { missingForFrr } from '../../src/lab/services/frr.ts'

export const PORT = '5eed0001-0000-4000-8000-000000000001'
export const MAC = '02:00:00:00:be:01'
export const OURS = { v4: '10.9.0.1', v6: 'fd00:9::1' } as const
export const PEER = { v4: '10.9.0.2', v6: 'fd00:9::2' } as const
/** Where daemons are as if of an agent: FRR's user can come there. */
const FOLDER = '/run/mezzo-bgp-test'
/** Of a session that nobody is to miss, however long the machine stands still. */
const HOLD_S = 60

/** Why there can be no such test here, or null. */
export function whyNot(): string | null {
  return Lab.available() ?? missingForBird() ?? missingForFrr() ?? null
}

export const peer = (more: Partial<PeerConfig> = {}): PeerConfig => ({
  address: PEER.v4,
  asn: 65_002,
  keepaliveS: HOLD_S / 3,
  holdS: HOLD_S,
  connectS: 1,
  password: null,
  multihop: null,
  bfd: null,
  maximumPrefixes: 1_000_000,
  shutdown: false,
  import: { prefixes: [] },
  export: { prefixes: [] },
  ...more
})

export const speaker = (more: Partial<SpeakerConfig> = {}): SpeakerConfig => ({
  asn: 65_001,
  routerId: OURS.v4,
  gracefulRestartS: 60,
  maximumPaths: 8,
  networks: ['198.51.100.0/24', '2001:db8:1::/48'],
  peers: [peer(), peer({ address: PEER.v6 })],
  ...more
})

/** How the router outside speaks. */
export interface OutsideSpeech {
  readonly networks?: readonly string[]
  /** Of IPv4. */
  readonly password?: string
  /** Its sessions of BGP fall with it, unless it has routes by hand, which do. */
  readonly bfd?: BirdOptions['bfd']
  /** By hand. */
  readonly routes?: BirdOptions['routes']
}

/** A gateway and a router outside. */
export class BgpGround {
  readonly lab: Lab
  readonly host: Host
  readonly outside: Outside
  readonly folder: string
  #bird: Bird | null = null
  #networks: readonly string[] = []
  readonly #agents: Awaited<ReturnType<typeof agentIn>>[] = []

  private constructor(lab: Lab, host: Host, outside: Outside, folder: string) {
    this.lab = lab
    this.host = host
    this.outside = outside
    this.folder = folder
  }

  static async open(name: string): Promise<BgpGround> {
    const lab = await Lab.open({ prefix: `mz-${name}` })
    const host = await lab.host('gw')
    const addresses = [`${PEER.v4}/24`, `${PEER.v6}/64`]
    const outside = await lab.outside('r1', { links: [{ host, interface: 'up0', addresses }] })
    await host.ip('link add br0 type bridge mcast_snooping 0', 'link set up0 master br0')
    await host.ip('link set up0 up', 'link set br0 up')
    mkdirSync(FOLDER, { recursive: true, mode: 0o711 })
    const folder = mkdtempSync(join(FOLDER, `${name}-`))
    chmodSync(folder, 0o711)
    const ground = new BgpGround(lab, host, outside, folder)
    return ground
  }

  get engineFolder(): string {
    return join(this.folder, 'engine')
  }

  get place(): UplinkPlace {
    const addresses = [`${OURS.v4}/24`, `${OURS.v6}/64`]
    return { port: PORT, mac: MAC, addresses, packetNetns: this.host.path }
  }

  /** Has the router outside speak so, from now on. */
  async outsideSpeaks({ networks = [], password, bfd, routes }: OutsideSpeech): Promise<void> {
    const falls = bfd !== undefined && routes === undefined
    const common = { asn: 65_001, holdS: HOLD_S, bfd: falls }
    const secret = password === undefined ? {} : { password }
    const peers = [
      { name: 'b4', address: OURS.v4, ...common, ...secret },
      { name: 'b6', address: OURS.v6, ...common }
    ]
    const more = { ...(bfd && { bfd }), ...(routes && { routes }) }
    const options = { asn: 65_002, routerId: PEER.v4, networks, peers, ...more }
    this.#networks = networks
    if (this.#bird === null) this.#bird = await Bird.start(this.outside, options)
    else await this.#bird.change(options)
  }

  /** One more router outside, of AS 65003. */
  async another(address: string, networks: readonly string[]): Promise<Bird> {
    const addresses = [`${address}/24`]
    const links = [{ host: this.host, interface: 'up1', addresses }]
    const machine = await this.lab.outside('r2', { links })
    await this.host.ip('link set up1 master br0', 'link set up1 up')
    const peers = [{ name: 'b4', address: OURS.v4, asn: 65_001, holdS: HOLD_S }]
    return Bird.start(machine, { asn: 65_003, routerId: address, networks, peers })
  }

  /** What the router outside has learned. */
  async learnedOutside(): Promise<string[]> {
    const all = (await this.#bird?.networks()) ?? []
    return all.filter(each => !this.#networks.includes(each)).sort()
  }

  /** What it knows of a route. */
  routeOutside(network: string): Promise<string> {
    return this.#bird!.ask('show', 'route', network, 'all')
  }

  /** How it sees a neighbour of BFD. */
  neighbourOutside(address: string): ReturnType<Bird['neighbour']> {
    return this.#bird!.neighbour(address)
  }

  /** Whether it has its session with us. */
  async isUpOutside(): Promise<boolean> {
    return (await this.#bird!.session('b4')).isUp
  }

  /** For how many seconds it may hear nothing of us by BFD; undefined: they are not agreed. */
  async missesOutside(): Promise<number | undefined> {
    const text = await this.#bird!.ask('show', 'bfd', 'sessions')
    const found = /\sUp\s.*\s([\d.]+)\s*$/m.exec(text)?.[1]
    return found === undefined ? undefined : Number(found)
  }

  /** An agent's part: an engine, what it logs, and a speaker that is plugged in. */
  async agent(more: Partial<FrrEngineOptions> = {}) {
    const agent = await agentIn(this.engineFolder, more)
    this.#agents.push(agent)
    return agent
  }

  /** Joins our end of the cable with the bound interface. */
  async plug(ifname: string): Promise<void> {
    await this.host.ip(`link set ${ifname} master br0`)
  }

  async close(): Promise<void> {
    for (const { engine, processes } of this.#agents) {
      for (const port of await engine.places()) await engine.remove(port)
      await processes.close()
    }
    await this.#bird?.close()
    await this.lab.close()
    rmSync(this.folder, { recursive: true, force: true })
    if (readdirSync(FOLDER).length === 0) rmSync(FOLDER, { recursive: true })
  }
}

/** An agent's part, whose files are in a folder. */
export async function agentIn(folder: string, more: Partial<FrrEngineOptions>) {
  const lines: string[] = []
  const clock = new SystemClock()
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const counters = supervisorCounters(new CounterTable())
  const processes = new Supervisor({ clock, log, counters })
  const engine = await FrrEngine.make({ processes, clock, log, folder, ...more })
  return { engine, lines, processes }
}
