// ICMP errors about a packet, and when to keep silent.  The error quotes the packet as it came,
// goes back where it came from, tags included, and its checksums are true.
//
// Silence is as much of the protocol as the error: an error about an error, or about a packet to
// a group, is how one bad packet becomes a storm (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7,
// RFC 4443 §2.4 e).  Ask `mayAnswerWithError` first.

import {
  IPV4_BROADCAST,
  ipv4IsLoopback,
  ipv4IsMulticast,
  ipv4IsUnicast,
  ipv6IsLoopback,
  ipv6IsMulticast,
  ipv6IsUnspecified,
  macHi,
  macLo
} from './address.ts'
import * as ethernet from './ethernet.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'
import * as vlan from './vlan.ts'

/** RFC 1812 §4.3.2.3: as much of the packet as fits without the error exceeding 576 bytes. */
export const IPV4_ERROR_MAX = 576
/** RFC 4443 §3.1: as much as fits the minimum MTU. */
export const IPV6_ERROR_MAX = 1280

const TTL = 64
// Internetwork control, the precedence RFC 1812 §4.3.2.5 gives to errors.
const TOS = 0xc0

/** What an ICMP error says, apart from the packet it quotes. */
export interface ErrorFields {
  /** ICMP or ICMPv6 type, by the family of the packet. */
  readonly type: number
  /** The code that belongs to the type. */
  readonly code: number
  /** The MTU of `fragmentationNeeded` and `packetTooBig`, the pointer of `parameterProblem`. */
  readonly param?: number | undefined
  /** Who speaks: four words, an IPv4 address in the last. */
  readonly src: Int32Array
  /** Source of the frame that carries the error. */
  readonly srcMac: number
  /** Whom to; the sender of the packet when left out. */
  readonly dstMac?: number | undefined
}

/** The frame to send back; undefined when the one at [at, end) holds no whole IP packet. */
export function icmpError(
  f: ErrorFields,
  view: DataView,
  at: number,
  end: number
): Uint8Array<ArrayBuffer> | undefined {
  if (!ethernet.fits(view, at, end)) return undefined
  const typeAt = vlan.typeAt(view, at, end)
  const type = view.getUint16(typeAt)
  const l3 = typeAt + 2
  if (type === ethernet.Type.ipv4 && ipv4.fits(view, l3, end)) return error4(f, view, at, l3)
  if (type === ethernet.Type.ipv6 && ipv6.fits(view, l3, end)) return error6(f, view, at, l3)
  return undefined
}

/**
 * `tooBig`: the error would be ICMPv6 packet-too-big, which groups are told as well, or path MTU
 * discovery would not work for multicast (RFC 4443 §2.4 e.3). Subnet broadcasts are for the router
 * to know: no packet shows them.
 */
export function mayAnswerWithError(
  view: DataView,
  at: number,
  end: number,
  tooBig = false
): boolean {
  if (!ethernet.fits(view, at, end) || ethernet.srcIsGroup(view, at)) return false
  const typeAt = vlan.typeAt(view, at, end)
  const l3 = typeAt + 2
  switch (view.getUint16(typeAt)) {
    case ethernet.Type.ipv4:
      return ipv4.fits(view, l3, end) && !ethernet.dstIsGroup(view, at) && answerable4(view, l3)
    case ethernet.Type.ipv6:
      return (
        ipv6.fits(view, l3, end) && (tooBig || !toGroup6(view, at, l3)) && answerable6(view, l3)
      )
    default:
      return false
  }
}

// Of a header whose sum is wrong nothing may be believed, least of all whom it came from.
function answerable4(view: DataView, l3: number): boolean {
  if (!ipv4.checksumValid(view, l3)) return false
  const src = ipv4.src(view, l3)
  const dst = ipv4.dst(view, l3)
  if (!ipv4IsUnicast(src) || ipv4IsLoopback(src)) return false
  if (ipv4IsMulticast(dst) || dst === IPV4_BROADCAST) return false
  if (ipv4.fragmentOffset(view, l3) !== 0) return false
  ipv4.findTransport(view, l3, ipv4.payloadEnd(view, l3))
  const { protocol, l4 } = ipv4.transport
  if (protocol !== ipv4.Protocol.icmp) return true
  // Only the questions we know are no errors; an unknown type might be one (RFC 1122 §3.2.2).
  if (l4 >= ipv4.payloadEnd(view, l3)) return false
  return icmp.isEcho(icmp.type(view, l4)) || icmp.hasId(icmp.type(view, l4))
}

function answerable6(view: DataView, l3: number): boolean {
  const [w0, w1, w2, w3] = [0, 1, 2, 3].map(i => ipv6.srcWord(view, l3, i)) as Four
  if (ipv6IsMulticast(w0) || ipv6IsUnspecified(w0, w1, w2, w3)) return false
  if (ipv6IsLoopback(w0, w1, w2, w3)) return false
  const end = ipv6.payloadEnd(view, l3)
  // A chain that is cut short is a fault worth an error (parameter problem), unless it hides
  // an ICMPv6 error; then nothing says so, and the rate limit of the sender has to do.
  const whole = ipv6.walk(view, l3, end)
  // RFC 4443 §2.4 e exempts no fragment.  Of ICMPv6 only the first says whether it is an error.
  if (ipv6.walked.fragmentOffset !== 0) return true
  if (ipv6.walked.protocol !== ipv6.Protocol.icmpv6) return true
  const l4 = ipv6.walked.l4
  if (!whole || l4 >= end) return false
  const type = icmpv6.type(view, l4)
  return !icmpv6.isError(type) && type !== icmpv6.Type.redirect
}

type Four = [number, number, number, number]

const toGroup6 = (view: DataView, at: number, l3: number): boolean =>
  ethernet.dstIsGroup(view, at) || ipv6IsMulticast(ipv6.dstWord(view, l3, 0))

function error4(f: ErrorFields, view: DataView, at: number, l3: number): Uint8Array<ArrayBuffer> {
  const room = IPV4_ERROR_MAX - ipv4.LENGTH_MIN - icmp.LENGTH
  const quote = Math.min(ipv4.totalLength(view, l3), room)
  const head = l3 - at
  const { bytes, out } = answer(f, view, at, head, ipv4.LENGTH_MIN + icmp.LENGTH, quote)
  ipv4.emit(out, head, {
    src: f.src[3]!,
    dst: ipv4.src(view, l3),
    protocol: ipv4.Protocol.icmp,
    ttl: TTL,
    tos: TOS,
    // Without an id of its own a packet must not be fragmented (RFC 6864 §4.1).
    dontFragment: true,
    payloadLength: icmp.LENGTH + quote
  })
  const param = f.param ?? 0
  // The pointer of a parameter problem is one byte, the first of its word.
  const rest = f.type === icmp.Type.parameterProblem ? param << 24 : param
  icmp.emit(out, head + ipv4.LENGTH_MIN, bytes.length, { type: f.type, code: f.code, rest })
  return bytes
}

function error6(f: ErrorFields, view: DataView, at: number, l3: number): Uint8Array<ArrayBuffer> {
  const room = IPV6_ERROR_MAX - ipv6.LENGTH - icmpv6.LENGTH
  const quote = Math.min(ipv6.LENGTH + ipv6.payloadLength(view, l3), room)
  const head = l3 - at
  const { bytes, out } = answer(f, view, at, head, ipv6.LENGTH + icmpv6.LENGTH, quote)
  const dst = new Int32Array(4)
  ipv6.readSrc(view, l3, dst, 0)
  ipv6.emit(out, head, {
    src: f.src,
    dst,
    nextHeader: ipv6.Protocol.icmpv6,
    hopLimit: TTL,
    trafficClass: TOS,
    payloadLength: icmpv6.LENGTH + quote
  })
  icmpv6.emit(out, head, head + ipv6.LENGTH, bytes.length, {
    type: f.type,
    code: f.code,
    rest: f.param ?? 0
  })
  return bytes
}

// A frame with the link layer of the original turned round, room for the headers, and the quote.
function answer(
  f: ErrorFields,
  view: DataView,
  at: number,
  head: number,
  headers: number,
  quote: number
): { bytes: Uint8Array<ArrayBuffer>; out: DataView } {
  const original = new Uint8Array(view.buffer, view.byteOffset + at, head + quote)
  const bytes = new Uint8Array(head + headers + quote)
  const out = new DataView(bytes.buffer)
  bytes.set(original.subarray(0, head))
  bytes.set(original.subarray(head), head + headers)
  const dstMac = f.dstMac ?? ethernet.src(view, at)
  ethernet.setDst(out, 0, macHi(dstMac), macLo(dstMac))
  ethernet.setSrc(out, 0, macHi(f.srcMac), macLo(f.srcMac))
  return { bytes, out }
}
