// What the demo has seen, as one document: `--json` prints it, the table shows it.

import type { Agent } from '../agent/agent.ts'
import type { CountersSnapshot } from '../core/counters.ts'
import { ACKNOWLEDGED_US } from '../state/exchange/counters.ts'
import type { Check } from './check.ts'
import type { Passed } from './ground.ts'
import { type GatewayName, pairs, type Tenant, tenants } from './plan.ts'
import type { Outcome, Standing } from './survival.ts'

export interface HostReport {
  readonly name: string
  readonly alive: boolean
  readonly ports: number
  readonly flows: number
  readonly masks: number
  readonly hits: number
  readonly misses: number
  /** Of all packets, those the datapath had a flow for; null before the first. */
  readonly hit_rate: number | null
  readonly upcalls: number
  readonly drops: number
  readonly drops_by_reason: Readonly<Record<string, number>>
  /** Of flow state, by kind. */
  readonly records: Readonly<Record<string, number>>
  /** Packets that waited for other hosts to have their state. */
  readonly held: number
  /** Half of all state messages were acknowledged within so many µs; null without any. */
  readonly acknowledged_us_p50: number | null
}

/** By which gateways a tenant's packets went lately; null: none did. */
export interface WayReport {
  readonly tenant: Tenant
  readonly out_by: GatewayName | null
  readonly back_by: GatewayName | null
}

export interface PairReport {
  readonly from: string
  readonly to: string
  readonly family: 4 | 6
  readonly address: string
  readonly expected: boolean
  readonly because: string
  readonly reached: boolean
  readonly answered_by: string | null
  readonly first_ms: number | null
  readonly later_ms: number | null
  readonly ok: boolean
}

export interface Report {
  readonly ok: boolean
  readonly datapath: 'ebpf' | 'memory'
  /** Why it is memory, when nobody asked for it. */
  readonly reason: string | null
  readonly api: string
  readonly seconds: number
  readonly hosts: readonly HostReport[]
  readonly pairs: readonly PairReport[]
  readonly connections: readonly Standing[]
  readonly ways: readonly WayReport[]
  /** What the connections have gone through. */
  readonly survival: readonly Outcome[]
  readonly faults: readonly string[]
}

export const reportPairs = (check: Check): PairReport[] =>
  pairs.flatMap(pair => {
    const seen = check.seen.get(pair)
    if (seen === undefined) return []
    const { from, to, family, expected, because } = pair
    return {
      from: from.name,
      to: to.name,
      family,
      address: to.address(family),
      expected,
      because,
      reached: seen.reached,
      answered_by: seen.by === '' ? null : seen.by,
      first_ms: seen.firstMs,
      later_ms: seen.laterMs,
      ok: check.isRight(pair)
    }
  })

/** None, for one that does not run yet. */
export function reportHost(agent: Agent | undefined): HostReport[] {
  if (agent === undefined) return []
  const { host, counters, alive, stateKinds } = agent
  const value = (name: string): number => counters.counters[name] ?? counters.gauges[name] ?? 0
  const hits = value('datapath.hits')
  const misses = value('datapath.misses')
  const drops = dropsOf(counters)
  const report = {
    name: host.name,
    alive,
    ports: value('agent.ports-bound'),
    flows: value('flows.live'),
    masks: value('flows.masks'),
    hits,
    misses,
    hit_rate: hits + misses === 0 ? null : round(hits / (hits + misses), 4),
    upcalls: value('packets.walked'),
    drops: Object.values(drops).reduce((sum, n) => sum + n, 0),
    drops_by_reason: drops,
    records: Object.fromEntries(stateKinds.map(kind => [kind, value(`state.${kind}`)])),
    held: value('state.held'),
    acknowledged_us_p50: medianAcknowledged(value)
  }
  return [report]
}

function medianAcknowledged(value: (name: string) => number): number | null {
  let left = value('exchange.acknowledged') / 2
  if (left === 0) return null
  for (const us of ACKNOWLEDGED_US) {
    left -= value(`exchange.acknowledged-us-${us}`)
    if (left <= 0) return us
  }
  return Number.POSITIVE_INFINITY
}

/** From what was seen at the uplinks at two times. */
export function reportWays(before: readonly Passed[], now: readonly Passed[]): WayReport[] {
  const grown = now.map((each, i) => ({
    uplink: each.uplink,
    out: each.out - (before[i]?.out ?? 0),
    back: each.back - (before[i]?.back ?? 0)
  }))
  const most = (tenant: Tenant, way: 'out' | 'back'): GatewayName | null => {
    const own = grown.filter(each => each.uplink.tenant === tenant && each[way] > 0)
    return own.sort((a, b) => b[way] - a[way])[0]?.uplink.gateway ?? null
  }
  return tenants.map(tenant => ({
    tenant,
    out_by: most(tenant, 'out'),
    back_by: most(tenant, 'back')
  }))
}

function dropsOf({ counters }: CountersSnapshot): Record<string, number> {
  const drops = Object.entries(counters).filter(([name, n]) => name.startsWith('drop.') && n > 0)
  return Object.fromEntries(drops.map(([name, n]) => [name.slice('drop.'.length), n]))
}

export const round = (value: number, digits: number): number => Number(value.toFixed(digits))
