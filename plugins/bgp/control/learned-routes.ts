// What an uplink port has learned, or was told by hand, put where all agents see it.
// gateway.test.ts and plugins/bgp/static-uplinks.test.ts hold it.

import type { Counters, Log } from '../../../src/control.ts'
import type { LearnedRoute, Routes } from '../../router/token.ts'
import type { RouteHop, RouteUpdate } from '../engine/engine.ts'
import type { Damping } from './damping.ts'
import { OwnNetworks } from './own-networks.ts'

/** Prefixes of one port: as many as a router takes of what is learned. */
const ROUTES_MAX = 65_536
const HOPS_MAX = 64
const SHARE_MAX = 65_535
// While the host is drained: every other way is better.
const LAST_WEIGHT = 1_000_000
// While a next hop is damped: every other way that is not drained is better.
const DAMPED_WEIGHT = 900_000
const DEFAULTS = { IPv4: '0.0.0.0/0', IPv6: '::/0' } as const
/** Of what is refused so much is shown. */
const SHOWN_MAX = 16

/** A family of addresses. */
export type FamilyName = keyof typeof DEFAULTS

/** A prefix that a peer tells and nobody is led to by it. */
export interface RefusedPrefix {
  /** In its shortest form. */
  readonly prefix: string
  /** The network of ours that it is or lies in. */
  readonly within: string
}

type Count = ReturnType<Counters['claim']>

/** What learned routes are made of. */
export interface LearnedParts {
  readonly routes: Routes
  readonly log: Log
  /** Routes beyond what there is room for. */
  readonly full: Count
  /** Prefixes that a peer told and that are ours or lie in ours. */
  readonly ours: Count
  /** Times that a next hop came back, and is taken last at first. */
  readonly damped: Count
  /** Of the next hops. */
  readonly damping: Damping
}

/** What is to be thought of beside the routes. */
export interface Terms {
  /**
   * Our networks: a peer that tells them, or a part of one, leads nobody there. null: those that
   * were said last.
   */
  readonly own: OwnNetworks | null
  /** Others are to be taken before. */
  readonly isDrained: boolean
}

/** The routes of one port, of one origin. */
export class LearnedRoutes {
  readonly #parts: LearnedParts
  readonly #router: string
  readonly #port: string
  readonly #origin: string
  readonly #byPrefix = new Map<string, readonly RouteHop[]>()
  readonly #uses = new Map<string, number>() // prefixes that lead by a next hop
  readonly #refused = new Map<string, string>() // prefixes, and the network of ours they lie in
  #defaults: readonly FamilyName[] = [] // as they were told last
  #isRefusing = false // it was told
  #own = new OwnNetworks([])
  #isDrained = false
  #stale: Set<string> | null = new Set() // not named yet since the replay began

  constructor(parts: LearnedParts, router: string, port: string, origin: 'bgp' | 'static') {
    this.#parts = parts
    this.#router = router
    this.#port = port
    this.#origin = `${origin}-${port}`
  }

  /** Prefixes that are known. */
  get count(): number {
    return this.#byPrefix.size
  }

  /** Families of which the default route is learned. */
  get defaults(): readonly FamilyName[] {
    const families = Object.keys(DEFAULTS) as FamilyName[]
    return families.filter(family => this.#byPrefix.has(DEFAULTS[family]))
  }

  /** Prefixes that are refused. */
  get refusedCount(): number {
    return this.#refused.size
  }

  /** Some of them. */
  get refused(): RefusedPrefix[] {
    const some = [...this.#refused.entries().take(SHOWN_MAX)]
    return some.map(([prefix, within]) => ({ prefix, within }))
  }

  /** All that is known is told once more: what is not named by then is gone. */
  replay(): void {
    this.#stale = new Set(this.#byPrefix.keys())
  }

  /** Takes what the speaker tells. */
  take({ changes, isComplete }: RouteUpdate): void {
    const touched = new Set<string>()
    const used = new Map<string, boolean>() // next hops, and whether they were there before
    for (const { prefix, hops } of changes) {
      this.#stale?.delete(prefix)
      const isKnown = this.#byPrefix.has(prefix)
      if (hops.length === 0) this.#set(prefix, [], used)
      else if (isKnown || this.#byPrefix.size < ROUTES_MAX) {
        this.#set(prefix, hops.slice(0, HOPS_MAX), used)
        this.#judge(prefix)
        if (this.#refused.has(prefix)) this.#parts.ours.count()
      } else this.#parts.full.count()
      // Of what an earlier agent has said nobody knows until all is told.
      if (isKnown || this.#stale !== null || this.#byPrefix.has(prefix)) touched.add(prefix)
    }
    if (isComplete && this.#stale !== null) {
      for (const prefix of this.#stale) {
        this.#set(prefix, [], used)
        touched.add(prefix)
      }
      this.#stale = null
      void this.#forgetEarlier()
    }
    this.#damp(used)
    this.#tell(touched)
    this.#log()
  }

  /** A next hop is damped no more. */
  released(gateway: string): void {
    const by = [...this.#byPrefix].filter(([, hops]) => hops.some(hop => hop.gateway === gateway))
    this.#tell(by.map(([prefix]) => prefix))
  }

  /** Says it again where that makes a difference. */
  setTerms({ own, isDrained }: Terms): void {
    const before = new Set(this.#refused.keys())
    if (own !== null && !own.isSame(this.#own)) {
      this.#own = own
      for (const prefix of this.#byPrefix.keys()) this.#judge(prefix)
    }
    const turned = before.symmetricDifference(new Set(this.#refused.keys()))
    const isOther = isDrained !== this.#isDrained
    this.#isDrained = isDrained
    this.#tell(isOther ? this.#byPrefix.keys() : turned)
    this.#log()
  }

  /** Takes all of it back; what is learned afterwards begins anew. */
  withdraw(): void {
    this.#byPrefix.clear()
    this.#uses.clear()
    this.#refused.clear()
    this.#stale = new Set()
    this.#log()
    const { routes } = this.#parts
    const withdrawn = routes.withdraw(this.#router, this.#origin)
    this.#after(withdrawn.finally(() => this.#forgetEarlier()))
  }

  #set(prefix: string, hops: readonly RouteHop[], used: Map<string, boolean>): void {
    const count = ({ gateway }: RouteHop, by: number): void => {
      const uses = this.#uses.get(gateway) ?? 0
      if (!used.has(gateway)) used.set(gateway, uses > 0)
      if (uses + by > 0) this.#uses.set(gateway, uses + by)
      else this.#uses.delete(gateway)
    }
    for (const hop of this.#byPrefix.get(prefix) ?? []) count(hop, -1)
    for (const hop of hops) count(hop, 1)
    if (hops.length > 0) this.#byPrefix.set(prefix, hops)
    else {
      this.#byPrefix.delete(prefix)
      this.#refused.delete(prefix)
    }
  }

  // A next hop is lost with the last prefix that leads by it, and found with the first.
  #damp(used: ReadonlyMap<string, boolean>): void {
    const { damping, damped } = this.#parts
    for (const [gateway, wasThere] of used) {
      const isThere = this.#uses.has(gateway)
      if (wasThere && !isThere) damping.lost(gateway)
      if (!wasThere && isThere && damping.found(gateway)) damped.count()
    }
  }

  #judge(prefix: string): void {
    const within = this.#own.covering(prefix)
    if (within === undefined) this.#refused.delete(prefix)
    else this.#refused.set(prefix, within)
  }

  // What has become of the way to everywhere, and that a peer says what it cannot know.
  #log(): void {
    const { log } = this.#parts
    const port = this.#port
    const { defaults } = this
    for (const family of defaults)
      if (!this.#defaults.includes(family)) log.info({ port, family }, 'a default route is learned')
    for (const family of this.#defaults)
      if (!defaults.includes(family)) log.warn({ port, family }, 'the default route is withdrawn')
    this.#defaults = defaults
    const { refused, refusedCount: count } = this
    if (count > 0 !== this.#isRefusing) {
      if (count > 0) log.warn({ port, count, refused }, 'a peer tells networks of ours')
      else log.info({ port }, 'no peer tells networks of ours any more')
    }
    this.#isRefusing = count > 0
  }

  // What an agent before this one has said, and nobody says any more.
  async #forgetEarlier(): Promise<void> {
    const { routes, log } = this.#parts
    try {
      const earlier = await routes.prefixes(this.#router, this.#origin)
      this.#tell(earlier.filter(prefix => !this.#byPrefix.has(prefix)))
    } catch (error) {
      log.debug({ err: error, port: this.#port }, 'routes of an earlier agent are not known')
    }
  }

  #tell(prefixes: Iterable<string>): void {
    const routes = [...prefixes].map(prefix => this.#routeTo(prefix))
    if (routes.length === 0) return
    this.#after(this.#parts.routes.change(this.#router, this.#origin, routes))
  }

  #routeTo(prefix: string): LearnedRoute {
    const hops = this.#refused.has(prefix) ? [] : (this.#byPrefix.get(prefix) ?? [])
    const port = this.#port
    const nextHops = hops.map(({ gateway, share, weight }) => ({
      ...{ port, gateway },
      ...(share === 1 ? {} : { share: Math.min(share, SHARE_MAX) }),
      ...(weight === undefined ? {} : { weight }),
      ...(this.#parts.damping.isDamped(gateway) ? { weight: DAMPED_WEIGHT } : {}),
      ...(this.#isDrained ? { weight: LAST_WEIGHT } : {})
    }))
    return { prefix, nextHops }
  }

  // A store that is away takes it later, one that refuses it is asked again; nobody waits for it.
  #after(stored: Promise<void>): void {
    const { log } = this.#parts
    stored.catch(error => log.warn({ err: error, port: this.#port }, 'routes were not stored'))
  }
}
