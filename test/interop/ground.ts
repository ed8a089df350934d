// What one cell is played on: a gateway with our engine, and one or two routers outside, on a
// bridge that stands for the datapath.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type {
  PeerConfig,
  RouteHop,
  SessionState,
  Speaker,
  SpeakerConfig
} from '../../plugins/bgp/engine/engine.ts'
import { SystemClock, sleep } from '../../src/core/clock.ts'
import { isFailure } from '../../src/core/errors.ts'
import { type Host, type Lab, must, type Outside } from '../../src/lab/index.ts'
import { agentIn, MAC, OURS, peer, speaker } from '../lab/bgp-ground.ts'
import type { Family, Kind, Upstream, UpstreamOptions } from './upstream.ts'

const ASN = 65_101 // of the first router outside
const HOLD_S = 9
const timers = { holdS: HOLD_S, keepaliveS: HOLD_S / 3 }
const LOOK_MS = 50
const PATIENCE_MS = 120_000 // for what never comes, on a machine that does much else

/** Of the cells. */
export const clock = new SystemClock()

/** Networks that we tell of, and that we are told of. */
export const networks = {
  4: { ours: ['198.51.100.0/24'], theirs: ['192.0.2.0/25', '203.0.113.0/24'] },
  6: { ours: ['2001:db8:1::/48'], theirs: ['2001:db8:2::/48', '2001:db8:3::/48'] }
} as const

/** Of a router outside, by its number. */
export const addressOf = (family: Family, i: number): string =>
  family === 4 ? `10.9.0.${i + 2}` : `fd00:9::${i + 2}`

/** Where a cell may build. */
export interface Site {
  readonly lab: Lab
  /** FRR's user can come there. */
  readonly folder: string
  /** On which cells are being played. */
  readonly grounds: Set<CellGround>
}

/** A gateway and what is outside. */
export class CellGround {
  readonly kind: Kind
  readonly family: Family
  /** What we know by BGP. */
  readonly learned = new Map<string, readonly RouteHop[]>()
  /** How often we lost a route. */
  withdrawn = 0
  /** How long one that we had learned was missing, until it came again. */
  goneMs = 0
  #goneAt: number | null = null
  readonly upstreams: Upstream[] = []
  readonly outsides: Outside[] = []
  readonly #port = randomUUID()
  readonly #host: Host
  readonly #agent: Awaited<ReturnType<typeof agentIn>>
  #speaker!: Speaker

  private constructor(
    of: Pick<CellGround, 'kind' | 'family'>,
    host: Host,
    agent: Awaited<ReturnType<typeof agentIn>>
  ) {
    this.kind = of.kind
    this.family = of.family
    this.#host = host
    this.#agent = agent
  }

  static async open({ lab, folder }: Site, of: Pick<CellGround, 'kind' | 'family'>) {
    const n = lab.machines.size
    const host = await lab.host(`gw${n}`)
    await host.ip('link add br0 type bridge mcast_snooping 0', 'link set br0 up')
    const ground = new CellGround(of, host, await agentIn(join(folder, `${n}`), {}))
    try {
      await ground.#open(lab, n)
    } catch (error) {
      await ground.close()
      throw error
    }
    return ground
  }

  async #open(lab: Lab, n: number): Promise<void> {
    const host = this.#host
    for (const i of [0, 1]) {
      const link = { host, interface: `up${i}`, addresses: addressesAt(i) }
      this.outsides.push(await lab.outside(`r${n}-${i}`, { links: [link] }))
      await host.ip(`link set up${i} master br0`, `link set up${i} up`)
    }
    const place = { port: this.#port, mac: MAC, packetNetns: host.path }
    const addresses = [`${OURS.v4}/24`, `${OURS.v6}/64`]
    this.#speaker = await this.#agent.engine.open({ ...place, addresses })
    await host.ip(`link set ${this.#speaker.interface} master br0`)
    this.#speaker.onRoutes(({ changes }) => {
      for (const { prefix, hops } of changes)
        if (hops.length > 0) this.#learn(prefix, hops)
        else if (this.learned.delete(prefix)) {
          this.withdrawn++
          this.#goneAt ??= clock.now()
        }
    })
  }

  get ours(): readonly string[] {
    return networks[this.family].ours
  }

  get theirs(): readonly string[] {
    return networks[this.family].theirs
  }

  /** Starts the next router outside. */
  async upstream(more: Partial<UpstreamOptions> = {}): Promise<Upstream> {
    const i = this.upstreams.length
    const address = addressOf(this.family, i)
    const us = { address: this.family === 4 ? OURS.v4 : OURS.v6, asn: speaker().asn }
    const upstream = await this.kind.start(this.outsides[i]!, {
      ...{ asn: ASN + i, routerId: addressOf(4, i), address, peer: us, holdS: HOLD_S },
      ...{ networks: this.theirs, ...more }
    })
    this.upstreams.push(upstream)
    return upstream
  }

  #learn(prefix: string, hops: readonly RouteHop[]): void {
    this.learned.set(prefix, hops)
    if (this.#goneAt === null || this.learned.size < this.theirs.length) return
    this.goneMs += clock.now() - this.#goneAt
    this.#goneAt = null
  }

  /** Has us speak with all routers outside. */
  async apply(one: Partial<PeerConfig> = {}, more: Partial<SpeakerConfig> = {}): Promise<void> {
    const peers = this.upstreams.map((_, i) =>
      peer({ address: addressOf(this.family, i), asn: ASN + i, ...timers, ...one })
    )
    await this.#speaker.apply(speaker({ networks: this.ours, peers, ...more }))
  }

  sessions(): Promise<readonly SessionState[]> {
    return this.#speaker.sessions()
  }

  /** Waits until all sessions are established. */
  async up(): Promise<void> {
    await this.until('a session', async () =>
      (await this.sessions()).every(({ state }) => state === 'established')
    )
  }

  /** Waits until we have learned these networks, and no others. */
  async weKnow(wanted: readonly string[]): Promise<void> {
    const text = wanted.join(' ')
    await this.until(`our routes: ${text || 'none'}`, () => text === sorted(this.learned.keys()))
  }

  /** Waits until a router outside has learned these, and no others. */
  async theyKnow(wanted: readonly string[], upstream = this.upstreams[0]!): Promise<void> {
    const text = wanted.join(' ')
    await this.until(
      `the routes of ${this.kind.name}: ${text || 'none'}`,
      async () => text === sorted(await upstream.learned())
    )
  }

  /** Asks again until it is so; what was seen meanwhile is in the error. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const end = clock.now() + PATIENCE_MS
    while (!(await orNo(isSo))) {
      if (clock.now() > end) throw new Error(`never came: ${what}; ${await this.#seen()}`)
      await sleep(clock, LOOK_MS)
    }
  }

  /** The process that speaks for us. */
  async bgpd(): Promise<number | undefined> {
    const pids = await must(['ip', 'netns', 'pids', `mezzo-bgp-${this.#port.slice(0, 8)}`])
    return pids.split('\n').filter(Boolean).map(Number).find(isBgpd)
  }

  async close(): Promise<void> {
    for (const upstream of this.upstreams) await upstream.close()
    await this.#agent.engine.remove(this.#port)
    await this.#agent.processes.close()
  }

  async #seen(): Promise<string> {
    const sessions = (await this.sessions().catch(() => [])).map(
      ({ state, lastError, bfd }) => `session ${state}, bfd ${bfd}, ${lastError ?? 'no error'}`
    )
    const known = await Promise.all(this.upstreams.map(each => each.learned().catch(String)))
    return [
      ...sessions,
      `we know ${sorted(this.learned.keys()) || 'nothing'}`,
      `they know ${known.join(' | ') || 'nothing'}`
    ].join('; ')
  }
}

const addressesAt = (i: number): string[] => [`${addressOf(4, i)}/24`, `${addressOf(6, i)}/64`]

// A daemon that is killed is not there to be asked for a while.
async function orNo(isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await isSo()
  } catch (error) {
    if (isFailure(error, 'UNAVAILABLE')) return false
    throw error
  }
}

const sorted = (names: Iterable<string>): string => [...names].sort().join(' ')

function isBgpd(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'bgpd'
  } catch {
    return false // it has ended meanwhile
  }
}
