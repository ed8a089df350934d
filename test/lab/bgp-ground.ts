// What lab tests of BGP share: an engine of real FRR, and a peer of real BIRD in a namespace of its
// own. A bridge of the kernel stands for the datapath, which carries frames between the cable of
// the engine's namespace and the bound interface.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import type { PeerConfig, SpeakerConfig, UplinkPlace } from '../../plugins/bgp/engine/engine.ts'
import { FrrEngine, type FrrEngineOptions } from '../../plugins/bgp/engine/frr-engine.ts'
import { Supervisor, supervisorCounters } from '../../src/agent/control/processes.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { openLog } from '../../src/core/log.ts'
import { type Host, Lab } from '../../src/lab/index.ts'
import type { Outside } from '../../src/lab/machines/outside.ts'

export const PORT = '5eed0001-0000-4000-8000-000000000001'
export const MAC = '02:00:00:00:be:01'
export const OURS = { v4: '10.9.0.1', v6: 'fd00:9::1' } as const
export const PEER = { v4: '10.9.0.2', v6: 'fd00:9::2' } as const
/** Where daemons are as if of an agent: FRR's user can come there. */
const FOLDER = '/run/mezzo-bgp-test'
const programs = ['bird', 'birdc', '/usr/lib/frr/bgpd']

/** Why there can be no such test here, or null. */
export function whyNot(): string | null {
  const missing = programs.filter(name =>
    name.startsWith('/') ? !existsSync(name) : spawnSync('which', [name]).status !== 0
  )
  if (missing.length > 0) return `${missing.join(', ')} not installed`
  return Lab.available()
}

export const peer = (more: Partial<PeerConfig> = {}): PeerConfig => ({
  address: PEER.v4,
  asn: 65_002,
  keepaliveS: 1,
  holdS: 3,
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

/** A gateway and a router outside. */
export class BgpGround {
  readonly lab: Lab
  readonly host: Host
  readonly outside: Outside
  readonly folder: string
  readonly bird: Bird
  readonly #agents: Awaited<ReturnType<typeof makeAgent>>[] = []

  private constructor(lab: Lab, host: Host, outside: Outside, folder: string) {
    this.lab = lab
    this.host = host
    this.outside = outside
    this.folder = folder
    this.bird = new Bird(outside, join(folder, 'bird'))
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
    await ground.bird.make()
    return ground
  }

  get place(): UplinkPlace {
    const addresses = [`${OURS.v4}/24`, `${OURS.v6}/64`]
    return { port: PORT, mac: MAC, addresses, packetNetns: this.host.path }
  }

  /** An agent's part: an engine, what it logs, and a speaker that is plugged in. */
  async agent(more: Partial<FrrEngineOptions> = {}) {
    const agent = await makeAgent(join(this.folder, 'engine'), more)
    this.#agents.push(agent)
    return agent
  }

  /** Joins our end of the cable with the bound interface. */
  async plug(ifname: string): Promise<void> {
    await this.host.ip(`link set ${ifname} master br0`)
  }

  async close(): Promise<void> {
    for (const { engine, processes } of this.#agents.splice(-1)) {
      for (const port of await engine.places()) await engine.remove(port)
      await processes.close()
    }
    await this.lab.close()
    rmSync(this.folder, { recursive: true, force: true })
    if (readdirSync(FOLDER).length === 0) rmSync(FOLDER, { recursive: true })
  }
}

async function makeAgent(folder: string, more: Partial<FrrEngineOptions>) {
  const lines: string[] = []
  const clock = new SystemClock()
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const counters = supervisorCounters(new CounterTable())
  const processes = new Supervisor({ clock, log, counters })
  const engine = await FrrEngine.make({ processes, clock, log, folder, ...more })
  return { engine, lines, processes }
}

/** What BIRD is told beside its neighbours. */
export interface BirdOptions {
  readonly routes?: readonly string[]
  readonly password?: string
  /** Milliseconds. */
  readonly bfd?: number
}

/** The router outside. */
export class Bird {
  readonly #machine: Outside
  readonly #folder: string

  constructor(machine: Outside, folder: string) {
    this.#machine = machine
    this.#folder = folder
  }

  async make(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true })
  }

  /** Starts it, or has it read anew. */
  async configure(options: BirdOptions = {}): Promise<void> {
    const path = join(this.#folder, 'bird.conf')
    const isNew = !existsSync(path)
    writeFileSync(path, birdFile(options))
    if (!isNew) await this.ask('configure')
    else
      await this.#machine.must([
        ...['bird', '-c', path, '-s', this.#socket],
        ...['-P', join(this.#folder, 'bird.pid')]
      ])
  }

  ask(command: string): Promise<string> {
    return this.#machine.must(['birdc', '-s', this.#socket, ...command.split(' ')])
  }

  /** The prefixes it has learned, and from where. */
  async learned(): Promise<string[]> {
    const text = await this.ask('show route where source = RTS_BGP')
    return text.split('\n').flatMap(line => /^(\S+\/\d+)\s+unicast/.exec(line)?.[1] ?? [])
  }

  get #socket(): string {
    return join(this.#folder, 'bird.ctl')
  }
}

function birdFile({ routes = [], password, bfd }: BirdOptions): string {
  const secret = password === undefined ? '' : `password "${password}";`
  const watch = bfd === undefined ? '' : 'bfd graceful;'
  const probes = `min rx interval ${bfd} ms; min tx interval ${bfd} ms; multiplier 3;`
  const of = (family: 4 | 6): string => {
    const own = routes.filter(each => each.includes(':') === (family === 6))
    const statics = own.map(each => `route ${each} blackhole;`).join(' ')
    const [mine, theirs] = family === 4 ? [PEER.v4, OURS.v4] : [PEER.v6, OURS.v6]
    return `
protocol static s${family} { ipv${family}; ${statics} }
protocol bgp b${family} {
  local ${mine} as 65002; neighbor ${theirs} as 65001; ${family === 4 ? secret : ''} ${watch}
  hold time 3; keepalive time 1; connect retry time 1;
  error wait time 1, 2; error forget time 5; graceful restart on;
  ipv${family} { import all; export where source = RTS_STATIC; next hop self; };
}`
  }
  return `
router id ${PEER.v4};
protocol device {}
${bfd === undefined ? '' : `protocol bfd { interface "*" { ${probes} }; }`}
${of(4)}
${of(6)}
`
}
