// The layers of which builder.ts makes a frame.  A layer knows its own length, what the header
// before it has to call it (an ethertype or an IP protocol number), and how to write itself once
// everything behind it is written: so lengths and checksums are true without a second thought.

import { parseIp, parseMac } from './address.ts'
import * as arp from './arp.ts'
import * as ethernet from './ethernet.ts'
import * as gre from './gre.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'
import * as nd from './nd.ts'
import * as tcp from './tcp.ts'
import * as udp from './udp.ts'
import * as vlan from './vlan.ts'
import * as vxlan from './vxlan.ts'

/** A header, or a payload, that can write itself. */
export interface Layer {
  /** Bytes it takes. */
  readonly length: number
  /** Names this layer in the header before it; undefined for bytes without a name. */
  readonly ethertype?: number
  /** The number that stands for it in an IP header; without, none does. */
  readonly protocol?: number
  /** `next` is the layer behind; `l3` the nearest IP header before this layer. */
  write(view: DataView, at: number, end: number, next: Layer | undefined, l3: number): void
  /** An IP header, from which the layers behind take the addresses of their checksums. */
  readonly isL3?: boolean
}

// IEEE's ethertype for local experiments: what a frame has that nobody gave a payload.
const TYPE_EXPERIMENTAL = 0x88b5

/** A MAC as text, or as a 48-bit number. */
export type Mac = string | number
/** The number of a MAC given in either form. Throws INVALID. */
export const macOf = (mac: Mac): number => (typeof mac === 'number' ? mac : parseMac(mac))

/** A payload: bytes, text in UTF-8, or so many bytes. */
export type Body = Uint8Array | string | number

/** A number is that many bytes of a pattern, in which a byte that got lost or doubled shows. */
export function bytesOf(body: Body): Uint8Array {
  if (typeof body === 'string') return new TextEncoder().encode(body)
  if (typeof body === 'number') return Uint8Array.from({ length: body }, (_, i) => i & 0xff)
  return body
}

/** The words of an address of this family; another family is the caller's mistake. */
export function wordsOf(text: string, family: 4 | 6): Int32Array {
  const ip = parseIp(text)
  if (ip.family !== family)
    throw new RangeError(`"${text}" is not valid: expected an IPv${family} address`)
  return ip.words
}

/** The word of an IPv4 address given in either form. Throws INVALID. */
export const ipv4Of = (ip: string | number): number =>
  typeof ip === 'number' ? ip : wordsOf(ip, 4)[3]!

/** What no further header follows. */
export const payloadLayer = (body: Body): Layer => {
  const bytes = bytesOf(body)
  return { length: bytes.length, write: (view, at) => put(view, at, bytes) }
}

/** An Ethernet header; without a type it has that of the layer behind it. */
export const ethernetLayer = (src: Mac, dst: Mac, type: number | undefined): Layer => ({
  length: ethernet.LENGTH,
  ethertype: ethernet.Type.transparentEthernet,
  write: (view, at, _end, next) =>
    ethernet.emit(view, at, {
      src: macOf(src),
      dst: macOf(dst),
      type: type ?? next?.ethertype ?? TYPE_EXPERIMENTAL
    })
})

/** A tag layer begins behind the type that announces it: TCI, then the type of what follows. */
export const vlanLayer = (tpid: number, tci: number): Layer => ({
  length: vlan.LENGTH,
  ethertype: tpid,
  write: (view, at, _end, next) => {
    view.setUint16(at, tci)
    view.setUint16(at + 2, next?.ethertype ?? TYPE_EXPERIMENTAL)
  }
})

/** An ARP message for IPv4 over Ethernet. */
export const arpLayer = (fields: arp.Fields): Layer => ({
  length: arp.LENGTH,
  ethertype: ethernet.Type.arp,
  write: (view, at) => arp.emit(view, at, fields)
})

/** Fields of an IPv4 header that have a default: see `ipv4Layer`. */
export interface Ipv4Options {
  /** Default 64. */
  readonly ttl?: number
  /** DSCP and ECN; default 0. */
  readonly tos?: number
  /** Identification; default 0. */
  readonly id?: number
  /** DF; default false. */
  readonly dontFragment?: boolean
  /** MF; default false. */
  readonly moreFragments?: boolean
  /** In bytes; default 0. */
  readonly fragmentOffset?: number
  /** Default: that of the layer behind it. */
  readonly protocol?: number
  /** Padded to a multiple of four bytes. */
  readonly options?: Uint8Array
}

/** An IPv4 header; throws INVALID for addresses that are none. */
export function ipv4Layer(src: string | number, dst: string | number, o: Ipv4Options): Layer {
  const options = padded4(o.options)
  const length = ipv4.LENGTH_MIN + options.length
  return {
    length,
    ethertype: ethernet.Type.ipv4,
    protocol: 4,
    isL3: true,
    write: (view, at, end, next) => {
      put(view, at + ipv4.LENGTH_MIN, options)
      ipv4.emit(view, at, {
        ...o,
        src: ipv4Of(src),
        dst: ipv4Of(dst),
        protocol: o.protocol ?? next?.protocol ?? 255,
        ttl: o.ttl ?? 64,
        payloadLength: end - at - length,
        optionsLength: options.length
      })
    }
  }
}

/** Fields of an IPv6 header that have a default. */
export interface Ipv6Options {
  /** Default 64. */
  readonly hopLimit?: number
  /** DSCP and ECN; default 0. */
  readonly trafficClass?: number
  /** 20 bits; default 0. */
  readonly flowLabel?: number
  /** Default: that of the layer behind it. */
  readonly nextHeader?: number
}

/** An IPv6 header; throws INVALID for addresses that are none. */
export const ipv6Layer = (src: string, dst: string, o: Ipv6Options): Layer => ({
  length: ipv6.LENGTH,
  ethertype: ethernet.Type.ipv6,
  protocol: 41,
  isL3: true,
  write: (view, at, end, next) =>
    ipv6.emit(view, at, {
      ...o,
      src: wordsOf(src, 6),
      dst: wordsOf(dst, 6),
      nextHeader: o.nextHeader ?? next?.protocol ?? ipv6.Protocol.none,
      hopLimit: o.hopLimit ?? 64,
      payloadLength: end - at - ipv6.LENGTH
    })
})

/**
 * Hop-by-hop, routing and destination options are all: next header, length in eights, body. Options
 * are padded with zeros, which are Pad1 each.
 */
export function extensionLayer(protocol: number, body: Uint8Array): Layer {
  const length = Math.ceil((body.length + 2) / 8) * 8
  return {
    length,
    protocol,
    write: (view, at, _end, next) => {
      view.setUint8(at, next?.protocol ?? ipv6.Protocol.none)
      view.setUint8(at + 1, length / 8 - 1)
      put(view, at + 2, body)
    }
  }
}

/** A fragment header of IPv6; `named` says another next header than the one that follows. */
export const fragmentLayer = (
  f: Omit<ipv6.FragmentFields, 'nextHeader'>,
  named?: number
): Layer => ({
  length: ipv6.FRAGMENT_LENGTH,
  protocol: ipv6.Protocol.fragment,
  write: (view, at, _end, next) =>
    ipv6.emitFragment(view, at, {
      ...f,
      nextHeader: named ?? next?.protocol ?? ipv6.Protocol.none
    })
})

/** A UDP header. */
export const udpLayer = (srcPort: number, dstPort: number): Layer => ({
  length: udp.LENGTH,
  protocol: ipv4.Protocol.udp,
  write: (view, at, end, _next, l3) => udp.emit(view, l3, at, end, { srcPort, dstPort })
})

/** Fields of a TCP header that have a default. */
export interface TcpOptions {
  /** A number, or letters as tcpdump prints them: F S R P A(.) U E W. */
  readonly flags?: string | number
  /** Default 0. */
  readonly sequence?: number
  /** Default 0. */
  readonly acknowledgement?: number
  /** As the header says it, without its scale; default 65535. */
  readonly window?: number
  /** Adds the option for the maximum segment size (RFC 9293 §3.7.1), bytes. */
  readonly mss?: number
  /** Further options, padded to a multiple of four bytes. */
  readonly options?: Uint8Array
}

/** A TCP header. */
export function tcpLayer(srcPort: number, dstPort: number, o: TcpOptions): Layer {
  const mss = o.mss === undefined ? [] : [tcp.Option.mss, 4, o.mss >>> 8, o.mss & 0xff]
  const options = padded4(Uint8Array.from([...mss, ...(o.options ?? [])]))
  return {
    length: tcp.LENGTH_MIN + options.length,
    protocol: ipv4.Protocol.tcp,
    write: (view, at, end, _next, l3) => {
      put(view, at + tcp.LENGTH_MIN, options)
      tcp.emit(view, l3, at, end, {
        srcPort,
        dstPort,
        sequence: o.sequence ?? 1,
        acknowledgement: o.acknowledgement ?? 0,
        flags: typeof o.flags === 'number' ? o.flags : tcpFlags(o.flags ?? 'A'),
        window: o.window ?? 65535,
        optionsLength: options.length
      })
    }
  }
}

const TCP_LETTERS: Record<string, number> = {
  F: tcp.Flag.fin,
  S: tcp.Flag.syn,
  R: tcp.Flag.rst,
  P: tcp.Flag.psh,
  A: tcp.Flag.ack,
  '.': tcp.Flag.ack,
  U: tcp.Flag.urg,
  E: tcp.Flag.ece,
  W: tcp.Flag.cwr
}

/** Flags of letters: `SA` is SYN and ACK. Throws RangeError for a letter that is none. */
export function tcpFlags(letters: string): number {
  let flags = 0
  for (const letter of letters) {
    const flag = TCP_LETTERS[letter]
    if (flag === undefined)
      throw new RangeError(`"${letters}" is not valid: expected TCP flags out of FSRPAUEW`)
    flags |= flag
  }
  return flags
}

/** An ICMP message. */
export const icmpLayer = (fields: icmp.Fields): Layer => ({
  length: icmp.LENGTH,
  protocol: ipv4.Protocol.icmp,
  write: (view, at, end) => icmp.emit(view, at, end, fields)
})

/** An ICMPv6 message. */
export const icmpv6Layer = (fields: icmpv6.Fields): Layer => ({
  length: icmpv6.LENGTH,
  protocol: ipv4.Protocol.icmpv6,
  write: (view, at, end, _next, l3) => icmpv6.emit(view, l3, at, end, fields)
})

/** A neighbour solicitation or advertisement. */
export const neighbourLayer = (fields: nd.NeighbourFields): Layer => ({
  length: nd.neighbourLength(fields),
  protocol: ipv4.Protocol.icmpv6,
  write: (view, at, _end, _next, l3) => nd.emitNeighbour(view, l3, at, fields)
})

/** A VXLAN header. */
export const vxlanLayer = (vni: number): Layer => ({
  length: vxlan.LENGTH,
  write: (view, at) => vxlan.emit(view, at, vni)
})

/** A GRE header; its protocol is that of the layer behind it. */
export const greLayer = (fields: Omit<gre.Fields, 'protocol'>): Layer => ({
  length: gre.lengthFor({ ...fields, protocol: 0 }),
  protocol: ipv4.Protocol.gre,
  write: (view, at, end, next) =>
    gre.emit(view, at, end, { ...fields, protocol: next?.ethertype ?? TYPE_EXPERIMENTAL })
})

export function put(view: DataView, at: number, bytes: Uint8Array): void {
  new Uint8Array(view.buffer, view.byteOffset + at, bytes.length).set(bytes)
}

function padded4(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) return new Uint8Array(0)
  if (bytes.length > 40)
    throw new RangeError(`${bytes.length} bytes of options: expected at most 40`)
  const padded = new Uint8Array((bytes.length + 3) & ~3)
  padded.set(bytes)
  return padded
}
