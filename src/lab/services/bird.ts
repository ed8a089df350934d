// A router of somebody else's: BIRD in a machine of the lab, speaking BGP and BFD with whoever it
// is told to, its kernel's routes following. test/lab/bird.test.ts and bird.test.ts hold it.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from '../machines/machine.ts'
import { must } from '../process/process.ts'
import { missingProgram, Service } from './service.ts'

/** Why there can be no BIRD here; undefined when there can. */
export function missingForBird(): string | undefined {
  const program = missingProgram(['bird', 'birdc', 'setpriv'])
  return program && `${program} is not installed; node setup.mjs --lab does`
}

/** Whom it speaks with. */
export interface BirdPeer {
  /** A word: what the session is called. */
  readonly name: string
  /** Of the peer; IPv4 or IPv6, and what is told is of that family. */
  readonly address: string
  /** The peer's AS. */
  readonly asn: number
  /** RFC 2385; left out: none. */
  readonly password?: string
  /** Whether the session falls as soon as BFD says so. */
  readonly bfd?: boolean
  /** Whether it is more than one hop away; with BFD it needs one of `sources`. */
  readonly multihop?: boolean
  /** Default: 9 s, and a third of that between two keepalives. */
  readonly holdS?: number
  /** Local preference of what it tells: the higher is taken; default 100. */
  readonly preference?: number
}

/** A route that it was told by hand. */
export interface BirdRoute {
  /** Where it leads to. */
  readonly prefix: string
  /** Its next hop. */
  readonly via: string
  /** Whether it stands only while BFD with the next hop is up. */
  readonly bfd?: boolean
  /** Of routes to one prefix the highest is taken; left out: 200. */
  readonly preference?: number
}

/** What it is made with. */
export interface BirdOptions {
  /** Its own AS. */
  readonly asn: number
  /** An IPv4 address, unlike those of all others. */
  readonly routerId: string
  readonly peers: readonly BirdPeer[]
  /** Addresses of the machine's own that it speaks by, one of a family; default: the link's. */
  readonly sources?: readonly string[]
  /** Networks it tells of, beside those it has been told. */
  readonly networks?: readonly string[]
  /** Routes of its own, by next hops. */
  readonly routes?: readonly BirdRoute[]
  /** Between two BFD packets, and how many may be missed; default: 100 ms and 3. */
  readonly bfd?: { readonly intervalMs: number; readonly multiplier: number }
}

/** A neighbour of BFD as BIRD sees it. */
export interface BirdNeighbour {
  /** Of RFC 5880: `Up`, `Down`, `Init`, `AdminDown`; empty: there is none. */
  readonly state: string
  /** Since when it is so, in BIRD's words: of the same moment always the same. */
  readonly since: string
}

/** A session as BIRD sees it. */
export interface BirdSession {
  /** Established. */
  readonly isUp: boolean
  /** BIRD's words, such as `Established` or `Connect       Socket: Connection refused`. */
  readonly info: string
}

const PATHS_MAX = 16 // of one destination, in the kernel
// Before ordinary programs, where it may.
const FIRST = ['sh', '-c', 'chrt --fifo --pid 1 $$ 2>/dev/null; exec "$@"', 'sh']
const NEAR_MS = 50 // nothing that has come up falls and comes up again as soon

/**
 * Whether BIRD means one moment by both. It reckons a moment anew whenever it is asked, from how
 * long ago it was, and comes out a millisecond later or earlier.
 */
export function isSameMoment(one: string, other: string): boolean {
  if (one === other) return true
  const [a, b] = [one, other].map(msOf)
  return a !== undefined && b !== undefined && Math.abs(a - b) < NEAR_MS
}

// As 17:04:05.678; what is longer ago has a date, and no milliseconds.
function msOf(text: string): number | undefined {
  const [hours, minutes, seconds] = (/^(\d+):(\d+):([\d.]+)$/.exec(text)?.slice(1) ?? []).map(
    Number
  )
  if (hours === undefined || minutes === undefined || seconds === undefined) return undefined
  return ((hours * 60 + minutes) * 60 + seconds) * 1000
}

/** BIRD in a machine. */
export class Bird extends Service {
  #options: BirdOptions
  readonly #since = new Map<string, string>() // by neighbours of BFD

  /** Begins to speak; its sessions come up later. */
  static async start(machine: Machine, options: BirdOptions): Promise<Bird> {
    await machine.sysctl({
      'ipv4/conf/all/forwarding': 1,
      'ipv6/conf/all/forwarding': 1,
      'ipv4/fib_multipath_hash_policy': 1, // by addresses and ports
      'ipv6/fib_multipath_hash_policy': 1
    })
    const bird = new Bird(machine, options)
    try {
      await bird.start()
      return bird
    } catch (error) {
      await bird.close()
      throw error
    }
  }

  private constructor(machine: Machine, options: BirdOptions) {
    super('bird', { address: '', ports: [], enter: ['nsenter', `--net=${machine.path}`] })
    this.#options = options
    this.#write()
  }

  /** Speaks by these options from now on; sessions they do not change stay. */
  async change(options: Partial<BirdOptions>): Promise<void> {
    this.#options = { ...this.#options, ...options }
    this.#write()
    await this.ask('configure')
  }

  /** How a session is. */
  async session(name: string): Promise<BirdSession> {
    const text = await this.ask('show', 'protocols', name)
    const found = new RegExp(`^${name}\\s+BGP\\s+\\S+\\s+(\\S+)\\s+\\S+\\s*(.*)$`, 'm').exec(text)
    return { isUp: found?.[1] === 'up', info: found?.[2]?.trim() ?? text }
  }

  /** The networks that it has a way to, of peers and of its own; or those told by one session. */
  async networks(session?: string): Promise<string[]> {
    const which = session === undefined ? ['primary'] : ['protocol', session]
    const text = await this.ask('show', 'route', ...which)
    return [...text.matchAll(/^([0-9a-f.:]+\/\d+)\s/gm)].map(([, network]) => network!)
  }

  /** How a neighbour of BFD is. */
  async neighbour(address: string): Promise<BirdNeighbour> {
    const text = await this.ask('show', 'bfd', 'sessions')
    const line = text.split('\n').find(each => each.split(/\s+/)[0] === address)
    const [, , state = '', said = ''] = line?.split(/\s+/) ?? []
    const before = this.#since.get(address)
    const since = before !== undefined && isSameMoment(before, said) ? before : said
    this.#since.set(address, since)
    return { state, since }
  }

  /** What `birdc` answers. */
  ask(...words: string[]): Promise<string> {
    return must(['birdc', '-s', this.#path('ctl'), ...words])
  }

  // It stands for a machine of its own, which nothing here keeps from running.
  protected command(): readonly string[] {
    return [...FIRST, 'bird', '-f', '-c', this.#path('conf'), '-s', this.#path('ctl')]
  }

  protected serves(): Promise<boolean> {
    return this.ask('show', 'status').then(
      text => /up and running/.test(text),
      () => false
    )
  }

  #path(end: string): string {
    return join(this.folder, `bird.${end}`)
  }

  #write(): void {
    writeFileSync(this.#path('conf'), configurationOf(this.#options), { mode: 0o600 })
  }
}

function configurationOf(options: BirdOptions): string {
  const { asn, routerId, peers, networks = [], sources = [], routes = [] } = options
  const { intervalMs = 100, multiplier = 3 } = options.bfd ?? {}
  const [by4, by6] = [4, 6].map(family => {
    const source = sources.find(each => familyOf(each) === family)
    return source === undefined ? '' : `krt_prefsrc = ${source}; `
  })
  const [v4, v6] = [4, 6].map(family =>
    [...networks.map(each => `route ${each} blackhole;`), ...routes.map(routeTo)]
      .filter(each => familyOf(each) === family)
      .join(' ')
  )
  return `router id ${routerId};
protocol device {}
protocol bfd { interface "*" { interval ${intervalMs} ms; multiplier ${multiplier}; }; }
filter learned4 { if ${LEADS} then { ${by4}accept; } reject; }
filter learned6 { if ${LEADS} then { ${by6}accept; } reject; }
protocol kernel { ipv4 { export filter learned4; }; merge paths limit ${PATHS_MAX}; }
protocol kernel { ipv6 { export filter learned6; }; merge paths limit ${PATHS_MAX}; }
protocol static own4 { ipv4; ${v4} }
protocol static own6 { ipv6; ${v6} }
${peers.map(peer => sessionOf(peer, asn, sources)).join('\n')}
`
}

// What it was told, and what it was told by hand; not what it only tells of.
const LEADS = 'source = RTS_BGP || (source = RTS_STATIC && dest = RTD_UNICAST)'

const routeTo = ({ prefix, via, bfd = false, preference = 200 }: BirdRoute): string =>
  `route ${prefix} via ${via}${bfd ? ' bfd' : ''} { preference = ${preference}; };`

// It tries again at once: by default it would leave a peer alone for minutes after an error.
function sessionOf(peer: BirdPeer, asn: number, sources: readonly string[]): string {
  const { name, address, holdS = 9, password, bfd = false, preference = 100, multihop } = peer
  // RFC 8326: a way that is about to go is the last one.
  const last = 'if (65535, 0) ~ bgp_community then bgp_local_pref = 0;'
  const taken = `import filter { bgp_local_pref = ${preference}; ${last} accept; }`
  const source = sources.find(each => familyOf(each) === familyOf(address))
  const far = source === undefined ? 'multihop;' : `multihop; source address ${source};`
  const told = 'export where source = RTS_BGP || source = RTS_STATIC'
  return `protocol bgp ${name} {
  local as ${asn};
  neighbor ${address} as ${peer.asn};
  ${password === undefined ? '' : `password "${password}";`}
  ${bfd ? 'bfd on;' : ''}
  ${multihop === true ? far : ''}
  hold time ${holdS}; keepalive time ${Math.max(1, Math.floor(holdS / 3))};
  connect retry time 1; connect delay time 1;
  error wait time 1, 2; error forget time 5;
  ipv${familyOf(address)} { ${taken}; ${told}; next hop self; };
}`
}

const familyOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4)
