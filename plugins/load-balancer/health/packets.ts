// The packets of health checks: made whole, with true checksums, and read again.

import {
  address,
  checksum,
  ethernet,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  quoted,
  tcp,
  udp
} from '../../../src/plugin.ts'

const TTL = 64
const L3 = ethernet.LENGTH
const { Protocol } = ipv4
const MSS = 1200 // fits the smallest path of IPv6, tunnels and all
const MSS_OPTION = Uint8Array.of(tcp.Option.mss, 4, MSS >>> 8, MSS & 0xff)

/** What a check is carried by. */
export const Probe = { tcp: 'tcp', udp: 'udp', ping: 'ping' } as const
export type Probe = (typeof Probe)[keyof typeof Probe]

/** Ends of a check: ours, with the port or ICMP id it is known by, and the member's. */
export interface Ends {
  /** MAC of the router's port. */
  readonly srcMac: number
  /** MAC of the next hop. */
  readonly dstMac: number
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** The router's address, four words. */
  readonly src: Int32Array
  /** The member's address, four words. */
  readonly dst: Int32Array
  /** Our port, or the id of an echo request. */
  readonly sport: number
  /** The member's port. */
  readonly dport: number
}

/** A TCP segment. */
export interface Segment {
  /** Sequence number. */
  readonly sequence: number
  /** Acknowledgement number. */
  readonly acknowledgement: number
  /** TCP flags. */
  readonly flags: number
  /** As the header says it. */
  readonly window: number
  /** Its payload. */
  readonly data: Uint8Array
}

/** A frame with a TCP segment; a SYN says our MSS. */
export function tcpFrame(ends: Ends, segment: Segment): Uint8Array {
  const isSyn = (segment.flags & tcp.Flag.syn) !== 0
  const options = isSyn ? MSS_OPTION.length : 0
  const length = tcp.LENGTH_MIN + options + segment.data.length
  const { bytes, view, l4 } = packet(ends, Protocol.tcp, length)
  if (isSyn) bytes.set(MSS_OPTION, l4 + tcp.LENGTH_MIN)
  bytes.set(segment.data, l4 + tcp.LENGTH_MIN + options)
  const { sequence, acknowledgement, flags, window } = segment
  const ports = { srcPort: ends.sport, dstPort: ends.dport }
  const fields = { ...ports, sequence, acknowledgement, flags, window, optionsLength: options }
  tcp.emit(view, L3, l4, bytes.length, fields)
  return bytes
}

/** A frame with an empty UDP datagram. */
export function udpFrame(ends: Ends): Uint8Array {
  const { bytes, view, l4 } = packet(ends, Protocol.udp, udp.LENGTH)
  udp.emit(view, L3, l4, bytes.length, { srcPort: ends.sport, dstPort: ends.dport })
  return bytes
}

/** A frame with an echo request. */
export function pingFrame(ends: Ends, sequence: number): Uint8Array {
  const rest = icmp.echoRest(ends.sport, sequence & 0xffff)
  if (ends.family === 4) {
    const { bytes, view, l4 } = packet(ends, Protocol.icmp, icmp.LENGTH)
    icmp.emit(view, l4, bytes.length, { type: icmp.Type.echoRequest, code: 0, rest })
    return bytes
  }
  const { bytes, view, l4 } = packet(ends, Protocol.icmpv6, icmpv6.LENGTH)
  icmpv6.emit(view, L3, l4, bytes.length, { type: icmpv6.Type.echoRequest, code: 0, rest })
  return bytes
}

interface Packet {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly l4: number
}

function packet(ends: Ends, protocol: number, payloadLength: number): Packet {
  const isV4 = ends.family === 4
  const l4 = L3 + (isV4 ? ipv4.LENGTH_MIN : ipv6.LENGTH)
  const bytes = new Uint8Array(l4 + payloadLength)
  const view = new DataView(bytes.buffer)
  const type = isV4 ? ethernet.Type.ipv4 : ethernet.Type.ipv6
  ethernet.emit(view, 0, { src: ends.srcMac, dst: ends.dstMac, type })
  const { src, dst } = ends
  if (isV4) {
    const addresses = { src: src[3]!, dst: dst[3]! }
    ipv4.emit(view, L3, { ...addresses, protocol, ttl: TTL, dontFragment: true, payloadLength })
  } else ipv6.emit(view, L3, { src, dst, nextHeader: protocol, hopLimit: TTL, payloadLength })
  return { bytes, view, l4 }
}

/** What came for a check: from the member's end, or an error about what was sent there. */
export interface Answer {
  readonly probe: Probe
  /** The member's address. */
  readonly from: string
  /** Its port; 0 for a ping. */
  readonly sport: number
  /** Ours, or the ICMP id. */
  readonly dport: number
  /** An ICMP error about our packet. */
  readonly isError: boolean
  readonly segment: Segment | null
}

/** Undefined: nothing that a check could be waiting for. */
export function readAnswer(frame: Uint8Array): Answer | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const end = frame.length
  if (!ethernet.fits(view, 0, end)) return undefined
  switch (ethernet.type(view, 0)) {
    case ethernet.Type.ipv4:
      if (!ipv4.fits(view, L3, end) || ipv4.isFragment(view, L3)) return undefined
      return read(view, {
        from: address.formatIpv4(ipv4.src(view, L3)),
        protocol: ipv4.protocol(view, L3),
        l4: ipv4.payload(view, L3),
        end: ipv4.payloadEnd(view, L3)
      })
    case ethernet.Type.ipv6: {
      if (!ipv6.fits(view, L3, end) || !ipv6.walk(view, L3, end)) return undefined
      const { protocol, l4, fragmentAt } = ipv6.walked
      const words = new Int32Array(4)
      ipv6.readSrc(view, L3, words, 0)
      const from = address.formatIp({ family: 6, words })
      if (fragmentAt !== 0) return undefined
      return read(view, { from, protocol, l4, end: ipv6.payloadEnd(view, L3) })
    }
    default:
      return undefined
  }
}

interface Place {
  readonly from: string
  readonly protocol: number
  readonly l4: number
  readonly end: number
}

// A virtual machine leaves the checksums of TCP and UDP to its interface, and here the frame has
// not been through one.
function read(view: DataView, place: Place): Answer | undefined {
  const { from, protocol, l4, end } = place
  if (!checksum.l4Acceptable(view, L3, l4, end, protocol)) return undefined
  switch (protocol) {
    case Protocol.tcp:
      return tcp.fits(view, l4, end) ? readTcp(view, place) : undefined
    case Protocol.udp: {
      if (!udp.fits(view, l4, end)) return undefined
      const ports = { sport: udp.srcPort(view, l4), dport: udp.dstPort(view, l4) }
      return { probe: Probe.udp, from, ...ports, isError: false, segment: null }
    }
    case Protocol.icmp:
    case Protocol.icmpv6:
      return readIcmp(view, place)
    default:
      return undefined
  }
}

function readTcp(view: DataView, { from, l4, end }: Place): Answer {
  const at = view.byteOffset + tcp.payload(view, l4)
  const segment = {
    sequence: tcp.sequence(view, l4),
    acknowledgement: tcp.acknowledgement(view, l4),
    flags: tcp.flags(view, l4),
    window: tcp.window(view, l4),
    data: new Uint8Array(view.buffer, at, view.byteOffset + end - at)
  }
  const ports = { sport: tcp.srcPort(view, l4), dport: tcp.dstPort(view, l4) }
  return { probe: Probe.tcp, from, ...ports, isError: false, segment }
}

function readIcmp(view: DataView, { from, protocol, l4, end }: Place): Answer | undefined {
  if (!icmp.fits(view, l4, end)) return undefined
  const of = protocol === Protocol.icmp ? icmp : icmpv6
  const type = of.type(view, l4)
  if (type === of.Type.echoReply) {
    const ids = { sport: 0, dport: of.id(view, l4) }
    return { probe: Probe.ping, from, ...ids, isError: false, segment: null }
  }
  if (type !== of.Type.unreachable) return undefined
  const about = quoted.newQuoted()
  if (!quoted.readQuoted(view, 0, view.byteLength, about)) return undefined
  const to = address.formatIp({ family: about.family, words: about.dst })
  const common = { from: to, dport: about.ports >>> 16, isError: true, segment: null }
  if (about.protocol === Protocol.tcp || about.protocol === Protocol.udp) {
    const probe = about.protocol === Protocol.tcp ? Probe.tcp : Probe.udp
    return { probe, ...common, sport: about.ports & 0xffff }
  }
  return { probe: Probe.ping, ...common, sport: 0 }
}
