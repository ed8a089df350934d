// Frames that read like the packet they are:
//
//   eth('02:00:00:00:00:01', '02:00:00:00:00:02').vlan(10)
//     .ipv4('10.0.1.1', '10.0.2.3', { ttl: 63 }).udp(1234, 53).payload(100).frame()
//
// For tests, traces and the command line; what a device sends on its own is made in frames.ts,
// errors.ts and echo.ts.  A builder never changes: each step gives a longer one, so that one
// beginning may serve many frames.  Lengths and checksums are true, tunnels and tags nest.

import { formatIpv6, MAC_BROADCAST, multicastMac6, solicitedNode } from './address.ts'
import * as arp from './arp.ts'
import * as ethernet from './ethernet.ts'
import { fragmentIpv4, fragmentIpv6 } from './fragments.ts'
import type * as gre from './gre.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import { Protocol } from './ipv4.ts'
import type { Body, Ipv4Options, Ipv6Options, Layer, Mac, TcpOptions } from './layers.ts'
import * as layers from './layers.ts'
import * as nd from './nd.ts'
import * as vlan from './vlan.ts'

/** What an echo message may say besides its id and sequence. */
export interface EchoOptions {
  /** An echo reply; default: a request. */
  readonly reply?: boolean
}

/** What a neighbour solicitation or advertisement may say besides its target. */
export interface NeighbourOptions {
  /** Flags of nd.ts; default: none in a solicitation, solicited and override in an answer. */
  readonly flags?: number
  readonly mac?: Mac | undefined
}

const EXTENSIONS = {
  'hop-by-hop': Protocol.hopByHop,
  routing: Protocol.routing,
  destination: Protocol.destinationOptions
} as const

/** An extension header by name. */
export type Extension = keyof typeof EXTENSIONS

/** Without a type the frame takes that of the layer behind it. */
export const eth = (src: Mac, dst: Mac, type?: number): PacketBuilder =>
  new PacketBuilder([layers.ethernetLayer(src, dst, type)])

/** Who has `target`? Broadcast, as a host asks it. */
export const arpRequest = (senderMac: Mac, senderIp: string, targetIp: string): PacketBuilder =>
  eth(senderMac, MAC_BROADCAST).arpRequest(senderMac, senderIp, targetIp)

/** Neighbour solicitation to the solicited-node group of `target`, as a host asks it. */
export function solicit(senderMac: Mac, senderIp: string, target: string): PacketBuilder {
  const group = solicitedNode(layers.wordsOf(target, 6))
  return eth(senderMac, multicastMac6(group[3]!))
    .ipv6(senderIp, formatIpv6(group, 0), { hopLimit: nd.HOP_LIMIT })
    .ns(target, senderIp === '::' ? {} : { mac: senderMac })
}

/** A packet of layers, each added by its method; `frame()` gives the bytes. */
export class PacketBuilder {
  readonly #layers: readonly Layer[]

  constructor(list: readonly Layer[]) {
    this.#layers = list
  }

  #with(layer: Layer): PacketBuilder {
    return new PacketBuilder([...this.#layers, layer])
  }

  /** Inside a tunnel: the frame that is carried. */
  eth(src: Mac, dst: Mac, type?: number): PacketBuilder {
    return this.#with(layers.ethernetLayer(src, dst, type))
  }

  /** Adds an 802.1Q tag. */
  vlan(vid: number, pcp = 0): PacketBuilder {
    return this.#with(layers.vlanLayer(ethernet.Type.vlan, tci(vid, pcp)))
  }

  /** The outer tag of two: `.qinq(100).vlan(10)`. */
  qinq(vid: number, pcp = 0): PacketBuilder {
    return this.#with(layers.vlanLayer(ethernet.Type.qinq, tci(vid, pcp)))
  }

  /** Who has `targetIp`? */
  arpRequest(senderMac: Mac, senderIp: string, targetIp: string): PacketBuilder {
    return this.arp(arp.Operation.request, senderMac, senderIp, 0, targetIp)
  }

  /** `senderIp` is at `senderMac`. */
  arpReply(senderMac: Mac, senderIp: string, targetMac: Mac, targetIp: string): PacketBuilder {
    return this.arp(arp.Operation.reply, senderMac, senderIp, targetMac, targetIp)
  }

  /** Adds an ARP message of any operation. */
  arp(op: number, senderMac: Mac, senderIp: string, mac: Mac, ip: string): PacketBuilder {
    const fields = {
      operation: op,
      senderMac: layers.macOf(senderMac),
      senderIp: layers.ipv4Of(senderIp),
      targetMac: layers.macOf(mac),
      targetIp: layers.ipv4Of(ip)
    }
    return this.#with(layers.arpLayer(fields))
  }

  /** Adds an IPv4 header; length, protocol and checksum follow from what comes behind. */
  ipv4(src: string | number, dst: string | number, options: Ipv4Options = {}): PacketBuilder {
    return this.#with(layers.ipv4Layer(src, dst, options))
  }

  /** Adds an IPv6 header; payload length and next header follow from what comes behind. */
  ipv6(src: string, dst: string, options: Ipv6Options = {}): PacketBuilder {
    return this.#with(layers.ipv6Layer(src, dst, options))
  }

  /** Adds an extension header with this body, padded to a multiple of eight bytes. */
  extension(kind: Extension, body: Uint8Array = new Uint8Array(6)): PacketBuilder {
    return this.#with(layers.extensionLayer(EXTENSIONS[kind], body))
  }

  /** An IPv6 fragment header by hand; whole packets are better cut by `fragments`. */
  fragment6(id: number, offset: number, more: boolean, nextHeader?: number): PacketBuilder {
    return this.#with(layers.fragmentLayer({ id, offset, more }, nextHeader))
  }

  /** Adds a UDP header with its checksum. */
  udp(srcPort: number, dstPort: number): PacketBuilder {
    return this.#with(layers.udpLayer(srcPort, dstPort))
  }

  /** Adds a TCP header with its checksum. */
  tcp(srcPort: number, dstPort: number, options: TcpOptions = {}): PacketBuilder {
    return this.#with(layers.tcpLayer(srcPort, dstPort, options))
  }

  /** Adds an ICMP header; `rest` are its bytes 4 to 8. */
  icmp(type: number, code = 0, rest = 0): PacketBuilder {
    return this.#with(layers.icmpLayer({ type, code, rest }))
  }

  /** Adds an ICMPv6 header; `rest` are its bytes 4 to 8. */
  icmpv6(type: number, code = 0, rest = 0): PacketBuilder {
    return this.#with(layers.icmpv6Layer({ type, code, rest }))
  }

  /** Adds an ICMP echo request or reply. */
  icmpEcho(id: number, sequence: number, options: EchoOptions = {}): PacketBuilder {
    const { echoReply, echoRequest } = icmp.Type
    return this.icmp(options.reply ? echoReply : echoRequest, 0, icmp.echoRest(id, sequence))
  }

  /** Adds an ICMPv6 echo request or reply. */
  icmpv6Echo(id: number, sequence: number, options: EchoOptions = {}): PacketBuilder {
    const { echoReply, echoRequest } = icmpv6.Type
    return this.icmpv6(options.reply ? echoReply : echoRequest, 0, icmpv6.echoRest(id, sequence))
  }

  /** Adds a neighbour solicitation for `target` (RFC 4861 §4.3). */
  ns(target: string, options: NeighbourOptions = {}): PacketBuilder {
    return this.#neighbour(icmpv6.Type.neighbourSolicitation, target, options.flags ?? 0, options)
  }

  /** Adds a neighbour advertisement of `target` (RFC 4861 §4.4). */
  na(target: string, options: NeighbourOptions = {}): PacketBuilder {
    const flags = options.flags ?? nd.Flag.solicited | nd.Flag.override
    return this.#neighbour(icmpv6.Type.neighbourAdvertisement, target, flags, options)
  }

  /** Adds a VXLAN header; a frame follows. */
  vxlan(vni: number): PacketBuilder {
    return this.#with(layers.vxlanLayer(vni))
  }

  /** Adds a GRE header; its protocol is that of the layer behind it. */
  gre(fields: Omit<gre.Fields, 'protocol'> = {}): PacketBuilder {
    return this.#with(layers.greLayer(fields))
  }

  /** Bytes, text, or so many bytes of a pattern. */
  payload(body: Body): PacketBuilder {
    return this.#with(layers.payloadLayer(body))
  }

  /** The finished frame; shorter ones are padded with zeros to `lengthMin`, as hardware does. */
  frame(lengthMin = 0): Uint8Array {
    const length = this.#layers.reduce((total, layer) => total + layer.length, 0)
    const bytes = new Uint8Array(Math.max(length, lengthMin))
    this.#write(new DataView(bytes.buffer), 0, 0, length, 0)
    return bytes
  }

  /** The same packet in frames whose IP packets have at most `mtu` bytes. */
  fragments(mtu: number, id = 1): Uint8Array[] {
    const frame = this.frame()
    const view = new DataView(frame.buffer)
    const typeAt = vlan.typeAt(view, 0, frame.length)
    return view.getUint16(typeAt) === ethernet.Type.ipv6
      ? fragmentIpv6(frame, typeAt + 2, mtu, id)
      : fragmentIpv4(frame, typeAt + 2, mtu, id)
  }

  // An IP header is there before what it carries, because of the pseudo-header.  Everything else
  // is written from the back: a checksum covers what has been written.
  #write(view: DataView, index: number, at: number, end: number, l3: number): void {
    const layer = this.#layers[index]
    if (layer === undefined) return
    const next = this.#layers[index + 1]
    if (layer.isL3) layer.write(view, at, end, next, l3)
    this.#write(view, index + 1, at + layer.length, end, layer.isL3 ? at : l3)
    if (!layer.isL3) layer.write(view, at, end, next, l3)
  }

  #neighbour(type: number, target: string, flags: number, o: NeighbourOptions): PacketBuilder {
    const mac = o.mac === undefined ? undefined : layers.macOf(o.mac)
    const fields = { type, flags, target: layers.wordsOf(target, 6), mac }
    return this.#with(layers.neighbourLayer(fields))
  }
}

const tci = (vid: number, pcp: number): number => (pcp << 13) | (vid & vlan.VID_MASK)
