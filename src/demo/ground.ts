// What the demo stands on: a kernel with namespaces, or memory. Both have the same nodes, and both
// can say who answered a question and who heard it.

import type { HostOptions } from '../main/appliance.ts'
import type { GatewayName, HostName, Pair, Tenant } from './plan/plan.ts'
import type { Conversation } from './plan/talks.ts'

/** How a pair is asked. */
export interface AskOptions {
  /** Questions, one after the other. */
  readonly count: number
  /** How long each answer may take. */
  readonly timeoutMs: number
}

/** What came of questions. */
export interface Answered {
  /** Of the answers, in order: the first packet of the flow first. */
  readonly rttMs: readonly number[]
  /** Who answered; '' when nobody did. */
  readonly by: string
  /** Answers that came twice, or from different nodes. */
  readonly strange: number
}

/** Called for each question that arrives anywhere, rightly or not. */
export type Heard = (node: string, label: string) => void

/** What the demo stands on: hosts, VMs and the outside, of a kernel or of memory. */
export interface Ground {
  /** Which datapath the agents have. */
  readonly kind: 'ebpf' | 'memory'
  /** Underlay address of each host. */
  readonly underlay: Readonly<Record<HostName, string>>
  /** What agents may keep files in; it goes with the ground. */
  readonly folder: string
  /** What the agent of a host is started with. */
  agentOptions(host: HostName): Pick<HostOptions, 'datapath' | 'onFrame' | 'onTunnelled'>
  /** Puts VMs and the outside network there; the agents may be running by now. */
  populate(agents: Agents): Promise<void>
  /** One node asks another. */
  ask(pair: Pair, options: AskOptions): Promise<Answered>
  /** Opens all connections of the plan. */
  converse(): Promise<Conversation>
  /** Every cable of a host goes down. Gives how many. */
  cut(host: HostName): Promise<number>
  /** The cables of a host come up again. */
  mend(host: HostName): Promise<void>
  /** From now on the outside network sends everything to this gateway; where it has to be told. */
  returnBy(gateway: GatewayName): Promise<void>
  /** A virtual machine's cable goes to another host. */
  move(vm: string, to: HostName): Promise<void>
  /** What the outside network has seen so far at each uplink. */
  passed(): Promise<readonly Passed[]>
  /** Takes everything away. */
  close(): Promise<void>
}

/** What came of connections that were opened for a moment. */
export interface Renewed {
  /** So many were to be opened. */
  readonly opened: number
  /** What went wrong, as sentences. */
  readonly wrong: readonly string[]
}

/** What went by an uplink. */
export interface Passed {
  /** Whose it is; null: everybody's. */
  readonly tenant: Tenant | null
  /** At which end of it we are. */
  readonly gateway: GatewayName
  /** Packets from us. */
  readonly out: number
  /** Packets to us. */
  readonly back: number
}

/** Frames into the hosts, for a ground without a kernel. */
export interface Agents {
  /** A frame comes in by an interface of a host. */
  input(host: HostName, name: string, frame: Uint8Array): void
  /** A tunnelled frame comes in: its key, the sender's underlay address, the frame inside. */
  fromUnderlay(host: HostName, key: number, src: number, frame: Uint8Array): void
}

export const labelOf = ({ from, to, family }: Pair): string => `${from.name}>${to.name}/${family}`
