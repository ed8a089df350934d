// What an uplink port has learned, put where all agents see it. gateway.test.ts holds it.

import type { Counters, Log } from '../../../src/control.ts'
import type { LearnedRoute, Routes } from '../../router/token.ts'
import type { RouteHop, RouteUpdate } from '../engine/engine.ts'

/** Prefixes of one port: as many as a router takes of what is learned. */
const ROUTES_MAX = 65_536
const HOPS_MAX = 64
const SHARE_MAX = 65_535
// While the host is drained: every other way is better.
const LAST_WEIGHT = 1_000_000

type Count = ReturnType<Counters['claim']>

/** What learned routes are made of. */
export interface LearnedParts {
  readonly routes: Routes
  readonly log: Log
  /** Routes beyond what there is room for. */
  readonly full: Count
  /** Prefixes of ours that a peer told. */
  readonly ours: Count
}

/** What is to be thought of beside the routes. */
export interface Terms {
  /** Our networks: a peer that tells them leads nobody there. */
  readonly own: ReadonlySet<string>
  /** Others are to be taken before. */
  readonly isDrained: boolean
}

/** The learned routes of one port. */
export class LearnedRoutes {
  readonly #parts: LearnedParts
  readonly #router: string
  readonly #port: string
  readonly #byPrefix = new Map<string, readonly RouteHop[]>()
  #terms: Terms = { own: new Set(), isDrained: false }
  #stale: Set<string> | null = new Set() // not named yet since the replay began
  #isClosed = false

  constructor(parts: LearnedParts, router: string, port: string) {
    this.#parts = parts
    this.#router = router
    this.#port = port
  }

  /** Prefixes that are known. */
  get count(): number {
    return this.#byPrefix.size
  }

  /** All that is known is told once more: what is not named by then is gone. */
  replay(): void {
    this.#stale = new Set(this.#byPrefix.keys())
  }

  /** Takes what the speaker tells. */
  take({ changes, isComplete }: RouteUpdate): void {
    if (this.#isClosed) return
    const touched = new Set<string>()
    for (const { prefix, hops } of changes) {
      this.#stale?.delete(prefix)
      if (hops.length === 0) this.#byPrefix.delete(prefix)
      else if (this.#byPrefix.has(prefix) || this.#byPrefix.size < ROUTES_MAX) {
        this.#byPrefix.set(prefix, hops.slice(0, HOPS_MAX))
        if (this.#terms.own.has(prefix)) this.#parts.ours.count()
      } else this.#parts.full.count()
      touched.add(prefix)
    }
    if (isComplete && this.#stale !== null) {
      for (const prefix of this.#stale) {
        this.#byPrefix.delete(prefix)
        touched.add(prefix)
      }
      this.#stale = null
      void this.#forgetEarlier()
    }
    this.#tell(touched)
  }

  /** Says it again where that makes a difference. */
  setTerms(terms: Terms): void {
    const before = this.#terms
    this.#terms = terms
    if (before.isDrained !== terms.isDrained) return this.#tell(this.#byPrefix.keys())
    const turned = [...before.own, ...terms.own].filter(
      prefix => before.own.has(prefix) !== terms.own.has(prefix) && this.#byPrefix.has(prefix)
    )
    this.#tell(turned)
  }

  /** Takes all of it back, for good. */
  withdraw(): void {
    this.#isClosed = true
    this.#byPrefix.clear()
    const { routes } = this.#parts
    this.#after(routes.withdraw(this.#router, this.#origin))
    void this.#forgetEarlier()
  }

  get #origin(): string {
    return `bgp-${this.#port}`
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
    const { own, isDrained } = this.#terms
    const hops = own.has(prefix) ? [] : (this.#byPrefix.get(prefix) ?? [])
    const port = this.#port
    const nextHops = hops.map(({ gateway, share }) => ({
      ...{ port, gateway },
      ...(share === 1 ? {} : { share: Math.min(share, SHARE_MAX) }),
      ...(isDrained ? { weight: LAST_WEIGHT } : {})
    }))
    return { prefix, nextHops }
  }

  // A store that is away takes it later; nobody waits for it.
  #after(stored: Promise<void>): void {
    const { log } = this.#parts
    stored.catch(error => log.warn({ err: error, port: this.#port }, 'routes were not stored'))
  }
}
