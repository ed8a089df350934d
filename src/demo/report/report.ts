// What the demo has seen, as one document: `--json` prints it, the table shows it.

import { ACKNOWLEDGED_US } from '../../state/exchange/counters.ts'
import { pairs } from '../plan/plan.ts'
import type { Check } from './check.ts'
import type { Outcome, Standing } from './survival.ts'
import type { WayReport } from './ways.ts'

/** A host in the report. */
export interface HostReport {
  readonly name: string
  /** It was not killed. */
  readonly alive: boolean
  /** Ports bound and up there. */
  readonly ports: number
  /** Flows in its datapath. */
  readonly flows: number
  /** Different masks of them. */
  readonly masks: number
  /** Packets that had a flow. */
  readonly hits: number
  /** Packets that had none. */
  readonly misses: number
  /** Of all packets, those the datapath had a flow for; null before the first. */
  readonly hit_rate: number | null
  /** Packets that came up. */
  readonly upcalls: number
  /** Packets dropped. */
  readonly drops: number
  /** Of those, by reason. */
  readonly drops_by_reason: Readonly<Record<string, number>>
  /** Of flow state, by kind. */
  readonly records: Readonly<Record<string, number>>
  /** Packets that waited for other hosts to have their state. */
  readonly held: number
  /** Half of all state messages were acknowledged within so many µs; null without any. */
  readonly acknowledged_us_p50: number | null
  /** For so long the store of the topology has been away. */
  readonly store_away_ms: number
  /** Bytes of flow state that wait to be backed up. */
  readonly backup_waiting_bytes: number
  /** BGP sessions that are up. */
  readonly bgp_sessions: number
  /** Traffic from outside is led elsewhere. */
  readonly drained: boolean
}

/** A pair in the report. */
export interface PairReport {
  /** Who asks. */
  readonly from: string
  /** Who is asked. */
  readonly to: string
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** Where the question goes. */
  readonly address: string
  /** Whether it should be answered. */
  readonly expected: boolean
  /** Why. */
  readonly because: string
  /** Whether it was. */
  readonly reached: boolean
  /** Who answered; null: nobody. */
  readonly answered_by: string | null
  /** Time of the first answer; null: none. */
  readonly first_ms: number | null
  /** Time of a usual answer; null: none. */
  readonly later_ms: number | null
  /** It is as it should be. */
  readonly ok: boolean
}

/** A process the demo stands on, beside the agents. */
export interface ServiceReport {
  readonly name: string
  /** It was not killed. */
  readonly alive: boolean
  /** What it is at the moment: a server's part in its ensemble; '' when there is nothing to say. */
  readonly role: string
}

/** Everything the demo has seen, as `--json` prints it. */
export interface Report {
  /** Nothing is wrong. */
  readonly ok: boolean
  /** What the hosts forward by. */
  readonly datapath: 'ebpf' | 'memory'
  /** Why it is memory, when nobody asked for it. */
  readonly reason: string | null
  /** Where the API is. */
  readonly api: string
  /** Since the start. */
  readonly seconds: number
  /** By host. */
  readonly hosts: readonly HostReport[]
  /** The other processes it stands on; none in one process. */
  readonly services: readonly ServiceReport[]
  /** Who reaches whom. */
  readonly pairs: readonly PairReport[]
  /** What stands, by class. */
  readonly connections: readonly Standing[]
  /** By which gateways packets go. */
  readonly ways: readonly WayReport[]
  /** What the connections have gone through. */
  readonly survival: readonly Outcome[]
  /** Connections opened beside them after faults, each for a moment; refused ones are `faults`. */
  readonly opened_meanwhile: number
  /** What is wrong, in sentences. */
  readonly faults: readonly string[]
}

/** The pairs that were asked. */
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

/** A host of the demo, and what it counts. */
export interface HostView {
  readonly name: string
  /** Its agent runs. */
  readonly alive: boolean
  /** Traffic from outside is led elsewhere. */
  readonly isDrained: boolean
  /** Names of the kinds of flow state. */
  readonly stateKinds: readonly string[]
  /** A counter or a gauge of it, as it was told last; 0 when there is none. */
  value(name: string): number
  /** Packets dropped, by reason. */
  drops(): Readonly<Record<string, number>>
}

/** A host as its agent counts. */
export function reportHost(host: HostView): HostReport {
  const value = (name: string): number => host.value(name)
  const hits = value('datapath.hits')
  const misses = value('datapath.misses')
  const drops = Object.entries(host.drops()).filter(([, n]) => n > 0)
  return {
    name: host.name,
    alive: host.alive,
    ports: value('agent.ports-bound'),
    flows: value('flows.live'),
    masks: value('flows.masks'),
    hits,
    misses,
    hit_rate: hits + misses === 0 ? null : round(hits / (hits + misses), 4),
    upcalls: value('packets.walked'),
    drops: drops.reduce((sum, [, n]) => sum + n, 0),
    drops_by_reason: Object.fromEntries(drops),
    records: Object.fromEntries(host.stateKinds.map(kind => [kind, value(`state.${kind}`)])),
    held: value('state.held'),
    acknowledged_us_p50: medianAcknowledged(value),
    store_away_ms: value('store.away-ms'),
    backup_waiting_bytes: value('state.store-queued-bytes'),
    bgp_sessions: value('bgp.session-up'),
    drained: host.isDrained
  }
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

/** Rounds to so many digits behind the point. */
export const round = (value: number, digits: number): number => Number(value.toFixed(digits))
