// What the API may ask of the agents that run in or behind this process: read-only, as text and
// plain data.  The agent implements it; a trace walks a packet but sends and remembers nothing.

import type { ControlRequest } from '../agent/control/control.ts'
import type { CountersSnapshot } from '../core/counters.ts'
import { token } from '../core/token.ts'

/** A host whose agent reports to this API. */
export interface AgentInfo {
  /** Of the host. */
  readonly id: string
  readonly name: string
  /** It has answered of late. */
  readonly alive: boolean
  /** When it was, of one that is not alive, as far as it is known. */
  readonly lastSeen?: string
}

/** An interface of a host. */
export interface InterfaceInfo {
  readonly name: string
  /** Its number in the kernel. */
  readonly index: number
  /** As text. */
  readonly mac: string
  /** Bytes behind the MAC header. */
  readonly mtu: number
  /** Set up by the operator. */
  readonly up: boolean
  /** IPv4, without length. */
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
  /** Since it was made. */
  readonly packets: number
  /** Since it was made. */
  readonly bytes: number
  /** Since it was made. */
  readonly ageMs: number
  /** Since its last packet. */
  readonly idleMs: number
}

/** One record of flow state. */
export interface StateLine {
  /** Connection, or what a plugin has declared. */
  readonly kind: string
  /** By name, or its number. */
  readonly protocol: string
  /** Both directions and flags, as traces have them. */
  readonly text: string
  /** Number of the port where its opener's packets come in; 0: none. */
  readonly ingress: number
  /** Number of the port by which the opener's packets leave; 0: none. */
  readonly egress: number
  /** Of its key, in hexadecimal: the device it is of. */
  readonly scope: string
  /** Of two records of one key the one with the greater stands. */
  readonly opening: string
  /** Made on this host, not learned from another. */
  readonly isOwn: boolean
  /** Since its opening. */
  readonly ageMs: number
  /** Since its last packet. */
  readonly idleMs: number
}

/** Which records of flow state are wanted. */
export interface StateQuery {
  /** At most so many. */
  readonly limit: number
  /** By name; undefined: any. */
  readonly kind?: string | undefined
  /** By name or number; undefined: any. */
  readonly protocol?: string | undefined
  /** At either end; undefined: any. */
  readonly address?: string | undefined
}

/** Another host, as it looks from one. */
export interface PeerLine {
  /** Id of the other host. */
  readonly host: string
  /** It answers, be it only its kernel. */
  readonly alive: boolean
  /** And its agent takes state. */
  readonly agentAlive: boolean
}

/** A walk that is asked for. */
export interface TraceRequest {
  /** Where the packet comes in. */
  readonly portId: string
  /** The packet in its frame. */
  readonly frame: Uint8Array
}

/** What the packet would meet. */
export interface TraceResult {
  /** Step by step. */
  readonly lines: readonly string[]
  /** Forward, flood, drop, consume, postpone. */
  readonly verdict: string
  /** 'router.no-route'. */
  readonly dropReason: string | null
  /** The fields that were asked, with their bits. */
  readonly mask: readonly string[]
  /** What its flow would do. */
  readonly actions: readonly string[]
  /** What its outcome depended on. */
  readonly tags: readonly string[]
}

/** Counters of one thread of one host; those of the same host add up on the page. */
export interface HostCounters {
  /** Id of the host; '' for what is no host's. */
  readonly host: string
  /** The thread or process they are of. */
  readonly source: string
  readonly snapshot: CountersSnapshot
}

/** What the API knows of agents; each question ends with an error when the agent is away. */
export interface AgentsView {
  /** Hosts with an agent, alive or not. */
  hosts(): Promise<readonly AgentInfo[]>
  /** One of them; undefined: there is none. */
  host(hostId: string): Promise<AgentInfo | undefined>
  /** undefined: no agent of that host reports here. */
  interfaces(hostId: string): Promise<readonly InterfaceInfo[] | undefined>
  /** The first flows of a host. */
  flows(hostId: string, page: { readonly limit: number }): Promise<readonly FlowLine[]>
  /** The first records of flow state that the query means. */
  state(hostId: string, query: StateQuery): Promise<readonly StateLine[]>
  /** The other hosts, as they look from this one. */
  peers(hostId: string): Promise<readonly PeerLine[]>
  /** Walks a packet on a host; nothing is sent or changed. */
  trace(hostId: string, request: TraceRequest): Promise<TraceResult>
  /** A request that met a route of a plugin; gives the answer's body. */
  answer(hostId: string, plugin: string, route: string, request: ControlRequest): Promise<unknown>
  /** Counters of all hosts, as they said them last. */
  metrics(): readonly HostCounters[]
}
export const AgentsView = token<AgentsView>('agents-view')
