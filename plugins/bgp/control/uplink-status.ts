// How an uplink port is, for people, and what its gateway says of a session to all. gateway.test.ts
// holds it.

import type { SessionState } from '../engine/engine.ts'
import type { SessionReport } from '../table.ts'
import type { FamilyName, RefusedPrefix } from './learned-routes.ts'
import type { UplinkPlan } from './plan.ts'
import type { StaticStatus } from './static-uplinks.ts'

/** A session, for people. */
export interface SessionStatus extends SessionState {
  /** Id of the peer's. */
  readonly peer: string
  /** The peer's; its address when it has none. */
  readonly name: string
  /** An operator has shut it. */
  readonly isShut: boolean
  /** Why it is taken last; null: it is not. */
  readonly damped: string | null
}

/** How an uplink is, for people. */
export interface UplinkStatus {
  /** Its id. */
  readonly port: string
  /** Id of the port's. */
  readonly router: string
  /** `working`: as planned; `none`: nothing is to be done; `failed`: see `reason`. */
  readonly state: 'none' | 'opening' | 'working' | 'failed'
  /** Why it is not as planned; null: nothing is wrong. */
  readonly reason: string | null
  /** Our autonomous system; null: nothing is planned. */
  readonly asn: number | null
  /** Who we are. */
  readonly routerId: string | null
  /** Prefixes learned. */
  readonly routes: number
  /** Families of which the default route is among them. */
  readonly defaults: readonly FamilyName[]
  /** How many of them are ours, or lie in ours: nobody is led there. */
  readonly refusedCount: number
  /** Some of those; `isLink`: it is the network of the link itself. */
  readonly refused: readonly (RefusedPrefix & { readonly isLink: boolean })[]
  /** As they were found last. */
  readonly sessions: readonly SessionStatus[]
  /** What is announced, and what is not. */
  readonly networks: UplinkPlan['networks']
  /** Those without BGP. */
  readonly statics: readonly StaticStatus[]
}

/** `fault`: why what speaks is not as it should be; `damped`: why its routes are taken last. */
export function sessionReport(
  session: SessionState | undefined,
  more: { isShut: boolean; fault: string | null; damped: string | null }
): SessionReport {
  const reason = more.fault ?? session?.lastError ?? undefined
  const because = reason === undefined ? {} : { reason }
  if (more.isShut) return { state: 'down', reason: 'adminStateUp is false' }
  if (session === undefined) return { state: 'idle', ...because }
  const { state, upSinceMs, prefixesReceived: received, prefixesSent: sent, bfd } = session
  if (state !== 'established') return { state, ...because, ...(bfd === null ? {} : { bfd }) }
  const since = upSinceMs === null ? {} : { since: new Date(upSinceMs).toISOString() }
  const last = more.damped === null ? {} : { reason: more.damped }
  return { state, ...since, received, sent, ...(bfd === null ? {} : { bfd }), ...last }
}
