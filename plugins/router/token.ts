// What other plugins may ask of routers, from their control sides: routes learned from outside, by
// BGP say. They stand in a shared table of each router, are seen by every agent that has loaded it,
// and vanish with the host that put them there.

import { token } from '../../src/plugin.ts'

/** Where a learned route leads. */
export interface LearnedHop {
  /** Id of a port of the router; while it cannot be used, the route does not lead there. */
  readonly port: string
  /** Address of the next hop; left out: the destination itself is at the port. */
  readonly gateway?: string
  /** Of routes as long, the lowest wins, equal ones share; 100 when left out. */
  readonly weight?: number
  /** Of those that share: what it takes of the flows beside the others, 1 to SHARE_MAX; 1. */
  readonly share?: number
}

/** What is learned of a prefix. */
export interface LearnedRoute {
  /** In its shortest form or another. */
  readonly prefix: string
  /** None: it is withdrawn. */
  readonly nextHops: readonly LearnedHop[]
}

/** Routes that were learned from outside. */
export interface Routes {
  /**
   * A route to `prefix` by these next hops, in place of what this origin said of the prefix before.
   * `origin` says who learned it: a word without spaces, such as `bgp`; each host has its own.
   * Rejects INVALID for what cannot be a route.
   */
  put(
    router: string,
    origin: string,
    prefix: string,
    nextHops: readonly LearnedHop[]
  ): Promise<void>
  /**
   * Many at once, as `put` and `withdraw` would; of one prefix the last counts. All are checked
   * before any is put; what has not changed costs nothing. Resolves when all of it is stored, or
   * what has taken its place: while the store is away that is later, and nobody need wait for it.
   * Rejects with what the store refuses some of it by: that is said again until it is taken.
   */
  change(router: string, origin: string, changes: readonly LearnedRoute[]): Promise<void>
  /**
   * Prefixes that stand as learned by this host of an origin, also those that an earlier agent of
   * it has put and nobody has taken back.
   */
  prefixes(router: string, origin: string): Promise<readonly string[]>
  /** Takes back what this host has put of an origin: of one prefix, or all. */
  withdraw(router: string, origin: string, prefix?: string): Promise<void>
}
/** Asks for them. */
export const Routes = token<Routes>('routes')

/** The shared table of a router's learned routes: `<host> <origin> <prefix>` → next hops, JSON. */
export const learnedTable = (router: string): string => `learned-routes/${router}`

/** Next hops of one route. */
export const HOPS_MAX = 64
