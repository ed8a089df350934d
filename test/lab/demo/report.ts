// What the demo has seen, as one document: `--json` prints it, the table shows it.

import type { Agent } from '../../../src/agent/agent.ts'
import type { CountersSnapshot } from '../../../src/core/counters.ts'
import type { Check } from './check.ts'
import { pairs } from './plan.ts'

export interface HostReport {
  readonly name: string
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
  const { host, counters } = agent
  const value = (name: string): number => counters.counters[name] ?? counters.gauges[name] ?? 0
  const hits = value('datapath.hits')
  const misses = value('datapath.misses')
  const drops = dropsOf(counters)
  const report = {
    name: host.name,
    ports: value('agent.ports-bound'),
    flows: value('flows.live'),
    masks: value('flows.masks'),
    hits,
    misses,
    hit_rate: hits + misses === 0 ? null : round(hits / (hits + misses), 4),
    upcalls: value('packets.walked'),
    drops: Object.values(drops).reduce((sum, n) => sum + n, 0),
    drops_by_reason: drops
  }
  return [report]
}

function dropsOf({ counters }: CountersSnapshot): Record<string, number> {
  const drops = Object.entries(counters).filter(([name, n]) => name.startsWith('drop.') && n > 0)
  return Object.fromEntries(drops.map(([name, n]) => [name.slice('drop.'.length), n]))
}

export const round = (value: number, digits: number): number => Number(value.toFixed(digits))
