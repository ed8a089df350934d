// The furniture: devices and the ports a packet walks between.  A device is alive, in the packet
// worker; it is made from models by its plugin's factory (src/topology/factory.ts).

import type { Tag } from '../flow/tag.ts'
import type { SimulationContext } from './context.ts'
import type { Verdict } from './verdict.ts'

export type PortId = string
export type DeviceId = string

export interface Device {
  readonly id: DeviceId
  // Ends with one of the context's sentences.
  process(ctx: SimulationContext): Verdict
  // Whether the packet may enter by the interface of `ctx.inPort`, whose security says what may.
  admit?(ctx: SimulationContext): Verdict
  // The packet is refused at a port of this device, or by a filter (admin down, REJECT rule): tell
  // the sender if the device can.  `ctx.inPort` is where the packet entered the device.
  refuse?(ctx: SimulationContext): void
}

// What packets are run through at a port, or in a device: a list of rules, say.
export interface Filter extends Device {
  // Whether any of its rules, or of those it leads to, asks for connections; the walk depends on
  // it.  undefined: not known yet, and `ctx` waits for it.
  tracks(ctx: SimulationContext): boolean | undefined
}

// What stands between a router's link and its filters: it gives packets for virtual addresses to
// servers, and their answers the virtual address back.  null: not for it, nothing was done;
// forward: done, and the router's filter is not asked any more.
export interface Balancer extends Device {
  take(ctx: SimulationContext, router: LocalEndpoint): Verdict | null
  undo(ctx: SimulationContext): Verdict | null
  // Whether it takes anything for this address, four words from `at` on.
  owns(family: 4 | 6, words: Int32Array, at?: number): boolean
}

// How a packet of a device's own leaves it.
export interface NextHop {
  readonly port: PortId
  readonly srcMac: number
  readonly dstMac: number
  readonly src: Int32Array // address to speak from
}

// A device that others may speak through, with addresses of its own.
export interface LocalEndpoint extends Device {
  owns(family: 4 | 6, words: Int32Array, at?: number): boolean
  // null: none; undefined: not yet, a neighbour is being asked for.
  nextHopTo(family: 4 | 6, words: Int32Array): NextHop | undefined | null
}

// An address of a port: IPv4 sits in words[3], the other words 0.
export interface PortAddress {
  readonly family: 4 | 6
  readonly words: Int32Array
  readonly length: number
}

// A network that a station may have addresses of, in the manner of a key's words.
export interface AllowedNetwork {
  readonly family: 4 | 6
  readonly words: Int32Array
  readonly masks: Int32Array
  readonly text: string
}

// By MAC, the networks of which that station may have addresses; null: any.
export type AllowedAddresses = ReadonlyMap<number, readonly AllowedNetwork[] | null>

// What may come in by the interface of a port.  Services are answers that hosts believe whoever
// sends them: 'dhcp', 'ra'.
export interface PortSecurity {
  readonly addresses: AllowedAddresses | null // null: any
  readonly services: ReadonlySet<string>
}

export interface Port {
  readonly id: PortId
  readonly number: number // 24 bits; the tunnel key of what leaves here
  readonly name: string // for traces: "port 7", or the name it was given
  readonly kind: string // of its device
  readonly isUplink: boolean // where it is bound, it leads out of the network
  readonly device: DeviceId
  readonly adminStateUp: boolean
  readonly peer: PortId | null
  readonly host: string | null // where it is bound; a port has a peer, a host, or neither
  readonly previousHost: string | null // where it was bound before: who has its state
  // A bound port is active while its host has the interface up; others always are.
  readonly active: boolean
  // Whether its host's agent is there: new connections go elsewhere if they can, old ones stay.
  readonly attended: boolean
  readonly inFilter: DeviceId | null
  readonly outFilter: DeviceId | null
  readonly security: PortSecurity | null // null: anything may come in
  readonly vlan: number // 0 = none
  readonly mac: number // of a port that packets are sent to; 0 = none
  readonly addresses: readonly PortAddress[]
  readonly own: Readonly<Record<string, unknown>> // fields that its plugin alone knows
  readonly tag: Tag // deviceTag(id)
  readonly egress: Tag // egressTag(id)
}

// Whoever has forwarded the packet and can tell its sender that it does not fit where it leaves.
export interface Forwarder {
  tooBig(ctx: SimulationContext, mtu: number): void
}

// Whoever can ask other hosts for state.
export interface Puller {
  canPull(ctx: SimulationContext): boolean
}

// What the walk sees.  undefined: not known yet, the packet must wait (the view has asked for it);
// null: it does not exist.
export interface Topology {
  // Of the devices that `inFilter` and `outFilter` name; '': there are none.
  readonly filterKind: string
  port(id: PortId): Port | undefined | null
  device(kind: string, id: DeviceId): Device | undefined | null
}
