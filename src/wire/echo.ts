// The answer to a ping: addresses turned round, payload and tags kept.  IP options and extension
// headers are not sent back.
//
// A request whose sums are wrong is not answered (RFC 1122 §3.2.1.2, RFC 4443 §2.3).  The reply's
// checksum is the request's, updated: turning source and destination round leaves the
// pseudo-header's sum as it was.

import {
  ipv4IsLoopback,
  ipv4IsUnicast,
  ipv6IsLoopback,
  ipv6IsMulticast,
  ipv6IsUnspecified
} from './address.ts'
import { l4Valid } from './checksum.ts'
import * as ethernet from './ethernet.ts'
import { turned } from './frames.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'
import * as vlan from './vlan.ts'

const TTL = 64

/**
 * Undefined when the frame at [at, end) is not a whole echo request from one node to another:
 * fragments, which would have to be put together first, and groups are not answered.
 */
export function echoReply(
  view: DataView,
  at: number,
  end: number
): Uint8Array<ArrayBuffer> | undefined {
  if (!ethernet.fits(view, at, end) || ethernet.srcIsGroup(view, at)) return undefined
  const typeAt = vlan.typeAt(view, at, end)
  const type = view.getUint16(typeAt)
  if (type === ethernet.Type.ipv4) return reply4(view, at, typeAt + 2, end)
  if (type === ethernet.Type.ipv6) return reply6(view, at, typeAt + 2, end)
  return undefined
}

function reply4(
  view: DataView,
  at: number,
  l3: number,
  end: number
): Uint8Array<ArrayBuffer> | undefined {
  if (!ipv4.fits(view, l3, end) || ipv4.isFragment(view, l3)) return undefined
  if (!ipv4.checksumValid(view, l3)) return undefined
  if (ipv4.protocol(view, l3) !== ipv4.Protocol.icmp) return undefined
  const src = ipv4.src(view, l3)
  const dst = ipv4.dst(view, l3)
  if (!ipv4IsUnicast(src) || ipv4IsLoopback(src) || !ipv4IsUnicast(dst)) return undefined
  const l4 = ipv4.payload(view, l3)
  const stop = ipv4.payloadEnd(view, l3)
  if (!icmp.fits(view, l4, stop) || icmp.type(view, l4) !== icmp.Type.echoRequest) return undefined
  if (!l4Valid(view, l3, l4, stop, ipv4.Protocol.icmp)) return undefined
  const { bytes, out, head } = turned(view, at, l3, ipv4.LENGTH_MIN + stop - l4)
  bytes.set(bytesOf(view, l4, stop), head + ipv4.LENGTH_MIN)
  ipv4.emit(out, head, {
    src: dst,
    dst: src,
    protocol: ipv4.Protocol.icmp,
    ttl: TTL,
    tos: ipv4.tos(view, l3),
    id: ipv4.id(view, l3),
    dontFragment: ipv4.dontFragment(view, l3),
    payloadLength: stop - l4
  })
  icmp.setType(out, head + ipv4.LENGTH_MIN, icmp.Type.echoReply)
  return bytes
}

function reply6(
  view: DataView,
  at: number,
  l3: number,
  end: number
): Uint8Array<ArrayBuffer> | undefined {
  if (!ipv6.fits(view, l3, end) || !ipv6.walk(view, l3, end)) return undefined
  const { protocol, l4, fragmentAt, segmentsLeft } = ipv6.walked
  if (protocol !== ipv6.Protocol.icmpv6 || fragmentAt !== 0 || segmentsLeft !== 0) return undefined
  const stop = ipv6.payloadEnd(view, l3)
  if (!icmpv6.fits(view, l4, stop)) return undefined
  if (icmpv6.type(view, l4) !== icmpv6.Type.echoRequest) return undefined
  if (!l4Valid(view, l3, l4, stop, ipv6.Protocol.icmpv6)) return undefined
  const src = new Int32Array(4)
  const dst = new Int32Array(4)
  ipv6.readSrc(view, l3, src, 0)
  ipv6.readDst(view, l3, dst, 0)
  if (!isNode6(src) || !isNode6(dst)) return undefined
  const { bytes, out, head } = turned(view, at, l3, ipv6.LENGTH + stop - l4)
  bytes.set(bytesOf(view, l4, stop), head + ipv6.LENGTH)
  ipv6.emit(out, head, {
    src: dst,
    dst: src,
    nextHeader: ipv6.Protocol.icmpv6,
    hopLimit: TTL,
    trafficClass: ipv6.trafficClass(view, l3),
    payloadLength: stop - l4
  })
  icmpv6.setType(out, head + ipv6.LENGTH, icmpv6.Type.echoReply)
  return bytes
}

function isNode6(words: Int32Array): boolean {
  const [w0, w1, w2, w3] = [words[0]!, words[1]!, words[2]!, words[3]!]
  return (
    !ipv6IsMulticast(w0) && !ipv6IsUnspecified(w0, w1, w2, w3) && !ipv6IsLoopback(w0, w1, w2, w3)
  )
}

const bytesOf = (view: DataView, from: number, to: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + from, to - from)
