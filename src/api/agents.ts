// What the API may ask of the agents that run in or behind this process: read-only, as text and
// plain data.  The agent implements it; a trace walks a packet but sends and remembers nothing.

import type { CountersSnapshot } from '../core/counters.ts'
import { token } from '../core/token.ts'

export interface AgentInfo {
  /** Of the host. */
  readonly id: string
  readonly name: string
  readonly alive: boolean
}

export interface InterfaceInfo {
  readonly name: string
  readonly index: number
  readonly mac: string
  readonly mtu: number
  readonly up: boolean
  readonly addresses: readonly string[]
  /** Why no port may be bound to it. */
  readonly refusal: string | null
}

/** One line of the live flow table. */
export interface FlowLine {
  /** While it lives, on its host. */
  readonly id: number
  /** The fields the flow asks for, with the values and bits it wants. */
  readonly key: string
  /** All words of the mask, in hexadecimal. */
  readonly mask: string
  /** None: the flow drops. */
  readonly actions: readonly string[]
  readonly packets: number
  readonly bytes: number
  readonly ageMs: number
  readonly idleMs: number
}

/** One record of flow state. */
export interface StateLine {
  readonly kind: string // connection, or what a plugin has declared
  readonly protocol: string
  /** Both directions and flags, as traces have them. */
  readonly text: string
  /** Number of the port where its opener's packets come in; 0: none. */
  readonly ingress: number
  readonly egress: number
  /** Of its key, in hexadecimal: the device it is of. */
  readonly scope: string
  /** Of two records of one key the one with the greater stands. */
  readonly opening: string
  /** Made on this host, not learned from another. */
  readonly isOwn: boolean
  readonly ageMs: number
  readonly idleMs: number
}

export interface StateQuery {
  readonly limit: number
  readonly kind?: string | undefined
  readonly protocol?: string | undefined
  readonly address?: string | undefined
}

/** Another host, as it looks from one. */
export interface PeerLine {
  readonly host: string
  /** It answers, be it only its kernel. */
  readonly alive: boolean
  /** And its agent takes state. */
  readonly agentAlive: boolean
}

export interface TraceRequest {
  readonly portId: string
  readonly frame: Uint8Array
}

export interface TraceResult {
  readonly lines: readonly string[]
  /** Forward, flood, drop, consume, postpone. */
  readonly verdict: string
  /** 'router.no-route'. */
  readonly dropReason: string | null
  /** The fields that were asked, with their bits. */
  readonly mask: readonly string[]
  readonly actions: readonly string[]
  readonly tags: readonly string[]
}

/** Counters of one thread of one host; those of the same host add up on the page. */
export interface HostCounters {
  readonly host: string
  readonly source: string
  readonly snapshot: CountersSnapshot
}

export interface AgentsView {
  hosts(): readonly AgentInfo[]
  /** undefined: no agent of that host reports here. */
  interfaces(hostId: string): Promise<readonly InterfaceInfo[] | undefined>
  flows(hostId: string, page: { readonly limit: number }): Promise<readonly FlowLine[]>
  state(hostId: string, query: StateQuery): Promise<readonly StateLine[]>
  peers(hostId: string): Promise<readonly PeerLine[]>
  trace(hostId: string, request: TraceRequest): Promise<TraceResult>
  metrics(): readonly HostCounters[]
}
export const AgentsView = token<AgentsView>('agents-view')
