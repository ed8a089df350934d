// The furniture: devices and the ports a packet walks between.  A device is alive, in the packet
// worker; it is made from models by its plugin's factory (src/topology/factory.ts).

import type { Tag } from '../flow/tag.ts'
import type { SimulationContext } from './context.ts'
import type { Verdict } from './verdict.ts'

/** Id of a port. */
export type PortId = string
/** Id of a device. */
export type DeviceId = string

/** What a packet meets on its walk: it ends with a verdict. */
export interface Device {
  readonly id: DeviceId
  /** Ends with one of the context's sentences. */
  process(ctx: SimulationContext): Verdict
  /**
   * Whether the packet may enter by the interface of `ctx.inPort`, whose security says what may.
   */
  admit?(ctx: SimulationContext): Verdict
  /**
   * The packet is refused at a port of this device, or by a filter (admin down, REJECT rule): tell
   * the sender if the device can. `ctx.inPort` is where the packet entered the device.
   */
  refuse?(ctx: SimulationContext): void
}

/** What packets are run through at a port, or in a device: a list of rules, say. */
export interface Filter extends Device {
  /**
   * Whether any of its rules, or of those it leads to, asks for connections; the walk depends on
   * it. undefined: not known yet, and `ctx` waits for it.
   */
  tracks(ctx: SimulationContext): boolean | undefined
}

/**
 * Sits at a device or at one of its ports, and sees packets before the device does: a load
 * balancer, an answerer of DHCP. Either way null means: not for it, and nothing was done.
 */
export interface Service extends Device {
  /**
   * What comes in. forward: done, and the filter that would come next is not asked; other verdicts
   * end the packet's way. `at` is the device it sits at.
   */
  take(ctx: SimulationContext, at: Device): Verdict | null
  /** What is about to leave, before the filter of that direction; likewise. */
  undo?(ctx: SimulationContext): Verdict | null
  /**
   * Whether it takes anything for this address, four words from `at` on: then the device it sits at
   * answers for it.
   */
  owns?(family: 4 | 6, words: Int32Array, at?: number): boolean
}

/** A service at a port. */
export interface ServiceAt {
  /** Kind of device that it is. */
  readonly kind: string
  /** Id of that device. */
  readonly id: DeviceId
}

/** How a packet of a device's own leaves it. */
export interface NextHop {
  /** The port the packet leaves by. */
  readonly port: PortId
  /** MAC of that port. */
  readonly srcMac: number
  /** MAC of whoever is next. */
  readonly dstMac: number
  /** Address to speak from. */
  readonly src: Int32Array
}

/** A device that others may speak through, with addresses of its own. */
export interface LocalEndpoint extends Device {
  /** Whether the address is one of its own; words[at..at+3]. */
  owns(family: 4 | 6, words: Int32Array, at?: number): boolean
  /** null: none; undefined: not yet, a neighbour is being asked for. */
  nextHopTo(family: 4 | 6, words: Int32Array): NextHop | undefined | null
}

/** An address of a port: IPv4 sits in words[3], the other words 0. */
export interface PortAddress {
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** Four words; of IPv4 the last alone. */
  readonly words: Int32Array
  /** Bits of its network. */
  readonly length: number
}

/** A network that a station may have addresses of, in the manner of a key's words. */
export interface AllowedNetwork {
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** Four words, masked. */
  readonly words: Int32Array
  /** Which of their bits count. */
  readonly masks: Int32Array
  /** As the model says it. */
  readonly text: string
}

/** By MAC, the networks of which that station may have addresses; null: any. */
export type AllowedAddresses = ReadonlyMap<number, readonly AllowedNetwork[] | null>

/**
 * What may come in by the interface of a port. Services are answers that hosts believe whoever
 * sends them: 'dhcp', 'ra'.
 */
export interface PortSecurity {
  /** null: any. */
  readonly addresses: AllowedAddresses | null
  /** What it may offer, such as `dhcp`: `allowedServices` of a port. */
  readonly services: ReadonlySet<string>
}

/** A port of a device, as walks see it. */
export interface Port {
  readonly id: PortId
  /** 24 bits; the tunnel key of what leaves here. */
  readonly number: number
  /** For traces: "port 7", or the name it was given. */
  readonly name: string
  /** Of its device. */
  readonly kind: string
  /** Where it is bound, it leads out of the network. */
  readonly isUplink: boolean
  /** The device it belongs to. */
  readonly device: DeviceId
  /** The operator has not set it down. */
  readonly adminStateUp: boolean
  /** The other end of its link; null: it has none. */
  readonly peer: PortId | null
  /** Where it is bound; a port has a peer, a host, or neither. */
  readonly host: string | null
  /** Where it was bound before: who has its state. */
  readonly previousHost: string | null
  /** A bound port is active while its host has the interface up; others always are. */
  readonly active: boolean
  /** Whether its host's agent is there: new connections go elsewhere if they can, old ones stay. */
  readonly attended: boolean
  /** The chain for what comes in; null: none. */
  readonly inFilter: DeviceId | null
  /** The chain for what goes out; null: none. */
  readonly outFilter: DeviceId | null
  /** In the order in which they are asked. */
  readonly services: readonly ServiceAt[]
  /** null: anything may come in. */
  readonly security: PortSecurity | null
  /** 0 = none. */
  readonly vlan: number
  /** Of a port that packets are sent to; 0 = none. */
  readonly mac: number
  /** Of a router's port. */
  readonly addresses: readonly PortAddress[]
  /** Fields that its plugin alone knows. */
  readonly own: Readonly<Record<string, unknown>>
  /** deviceTag(id). */
  readonly tag: Tag
  /** egressTag(id). */
  readonly egress: Tag
}

/**
 * Whoever has forwarded the packet and can tell its sender that it does not fit where it leaves.
 */
export interface Forwarder {
  /** Tells the sender that packets larger than this do not get through. */
  tooBig(ctx: SimulationContext, mtu: number): void
}

/** Whoever can ask other hosts for state. */
export interface Puller {
  /** Whether there is anybody to ask for what the walk did not find. */
  canPull(ctx: SimulationContext): boolean
}

/**
 * What the walk sees. undefined: not known yet, the packet must wait (the view has asked for it);
 * null: it does not exist.
 */
export interface Topology {
  /** Of the devices that `inFilter` and `outFilter` name; '': there are none. */
  readonly filterKind: string
  /** The port; undefined: not loaded yet, null: there is none. */
  port(id: PortId): Port | undefined | null
  /** The device; undefined: not loaded yet, null: there is none. */
  device(kind: string, id: DeviceId): Device | undefined | null
}
