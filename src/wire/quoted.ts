// The packet an ICMP error quotes: read, and rewritten where a translation has to be undone inside
// as well (RFC 5508 §4, REQ-4 and REQ-5).  What is quoted may end anywhere behind its first eight
// bytes of layer 4.

import { completeL4, l4Valid, patch16, patchPseudo } from './checksum.ts'
import * as ethernet from './ethernet.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'
import { isQuery } from './query.ts'
import * as vlan from './vlan.ts'

/**
 * Addresses as four words, IPv4 in the last.  `ports`: source << 16 | destination; ICMP queries:
 * the id in both, and `icmpType` says which.
 */
export interface Quoted {
  /** Version of the quoted packet. */
  family: 4 | 6
  /** Its protocol behind extension headers. */
  protocol: number
  /** -1: none. */
  icmpType: number
  /** Four words; of IPv4 the last alone. */
  readonly src: Int32Array
  /** Four words; of IPv4 the last alone. */
  readonly dst: Int32Array
  /** Source port << 16 | destination port; of echo its id. */
  ports: number
  /** What is quoted does not say it: too little, or of a later fragment. */
  isHeadless: boolean
  /** That one's packet. */
  laterOf: { readonly id: number; readonly next: number } | null
}

/** An object to read into; all fields are set, so that each has the same shape. */
export const newQuoted = (): Quoted => ({
  family: 4,
  protocol: 0,
  icmpType: -1,
  src: new Int32Array(4),
  dst: new Int32Array(4),
  ports: 0,
  isHeadless: false,
  laterOf: null
})

interface Place {
  l3: number // of the error
  l4: number
  inner: number // the quoted IP header
  innerL4: number
  protocol: number // of the quoted packet, behind its extension headers
  isRouted: boolean // it has a routing header and is not yet at its destination
  hasL4: boolean // eight bytes of it are there, and of the first fragment
  laterOf: Quoted['laterOf']
  end: number
}
const place: Place = {
  l3: 0,
  l4: 0,
  inner: 0,
  innerL4: 0,
  protocol: 0,
  isRouted: false,
  hasL4: false,
  laterOf: null,
  end: 0
}

/**
 * False: no whole ICMP error, with a true checksum (RFC 5508 REQ-3), about a packet whose addresses
 * can be read.
 */
export function readQuoted(view: DataView, at: number, end: number, into: Quoted): boolean {
  const family = find(view, at, end)
  if (family === 0) return false
  const { inner, innerL4, protocol, hasL4 } = place
  into.family = family
  into.protocol = protocol
  into.src.fill(0)
  into.dst.fill(0)
  if (family === 4) {
    into.src[3] = ipv4.src(view, inner)
    into.dst[3] = ipv4.dst(view, inner)
  } else {
    ipv6.readSrc(view, inner, into.src, 0)
    ipv6.readDst(view, inner, into.dst, 0)
  }
  into.icmpType = hasL4 && isIcmp(family, protocol) ? icmp.type(view, innerL4) : -1
  into.isHeadless = !hasL4
  into.laterOf = place.laterOf
  into.ports = hasL4 ? portsAt(view, innerL4, family, protocol) : 0
  return true
}

/** A copy of the frame, in which the quoted packet has these addresses and ports instead. */
export function rewriteQuoted(frame: Uint8Array, to: Quoted): Uint8Array {
  const copy = frame.slice()
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength)
  const family = find(view, 0, copy.length)
  if (family === 0) return copy
  const { l3, l4, hasL4, end } = place
  if (family === 4) ipv4SetAddresses(view, to)
  else ipv6SetAddresses(view, to)
  if (hasL4) setPorts(view, to)
  completeL4(view, l3, l4, end, family === 4 ? ipv4.Protocol.icmp : ipv6.Protocol.icmpv6)
  return copy
}

function find(view: DataView, at: number, end: number): 0 | 4 | 6 {
  if (!ethernet.fits(view, at, end)) return 0
  const typeAt = vlan.typeAt(view, at, end)
  const type = view.getUint16(typeAt)
  place.l3 = typeAt + 2
  if (type === ethernet.Type.ipv4) return find4(view, end)
  return type === ethernet.Type.ipv6 ? find6(view, end) : 0
}

function find4(view: DataView, end: number): 0 | 4 {
  const { l3 } = place
  if (!ipv4.fits(view, l3, end) || ipv4.isFragment(view, l3)) return 0
  if (ipv4.protocol(view, l3) !== ipv4.Protocol.icmp) return 0
  place.l4 = ipv4.payload(view, l3)
  place.end = ipv4.payloadEnd(view, l3)
  if (!icmp.fits(view, place.l4, place.end) || !icmp.isError(icmp.type(view, place.l4))) return 0
  if (!l4Valid(view, l3, place.l4, place.end, ipv4.Protocol.icmp)) return 0
  place.inner = icmp.quoted(place.l4)
  if (!ipv4.headerFits(view, place.inner, place.end)) return 0
  ipv4.findTransport(view, place.inner, place.end)
  place.innerL4 = ipv4.transport.l4
  place.protocol = ipv4.transport.protocol
  place.isRouted = false
  const isLater = ipv4.fragmentOffset(view, place.inner) !== 0
  const { inner } = place
  place.laterOf = isLater ? { id: ipv4.id(view, inner), next: ipv4.protocol(view, inner) } : null
  place.hasL4 = !isLater && place.innerL4 + L4_QUOTED_MIN <= place.end
  return 4
}

function find6(view: DataView, end: number): 0 | 6 {
  const { l3 } = place
  if (!ipv6.fits(view, l3, end) || !ipv6.walk(view, l3, end) || ipv6.walkedFragment()) return 0
  if (ipv6.walked.protocol !== ipv6.Protocol.icmpv6) return 0
  place.l4 = ipv6.walked.l4
  place.end = ipv6.payloadEnd(view, l3)
  if (!icmpv6.fits(view, place.l4, place.end)) return 0
  if (!icmpv6.isError(icmpv6.type(view, place.l4))) return 0
  if (!l4Valid(view, l3, place.l4, place.end, ipv6.Protocol.icmpv6)) return 0
  place.inner = icmpv6.quoted(place.l4)
  if (!ipv6.headerFits(view, place.inner, place.end)) return 0
  const isWhole = ipv6.walk(view, place.inner, place.end)
  const { walked } = ipv6
  place.innerL4 = walked.l4
  place.protocol = walked.protocol
  place.isRouted = walked.segmentsLeft !== 0
  place.laterOf =
    walked.fragmentOffset === 0
      ? null
      : {
          id: ipv6.fragmentId(view, walked.fragmentAt),
          next: view.getUint8(walked.fragmentAt)
        }
  place.hasL4 = isWhole && walked.fragmentOffset === 0 && walked.l4 + L4_QUOTED_MIN <= place.end
  return 6
}

const L4_QUOTED_MIN = 8 // RFC 792

const isIcmp = (family: 4 | 6, protocol: number): boolean =>
  protocol === (family === 4 ? ipv4.Protocol.icmp : ipv6.Protocol.icmpv6)

function portsAt(view: DataView, l4: number, family: 4 | 6, protocol: number): number {
  if (protocol === ipv4.Protocol.tcp || protocol === ipv4.Protocol.udp) return view.getInt32(l4)
  if (!isIcmp(family, protocol) || !isQuery(family, icmp.type(view, l4))) return 0
  return (icmp.id(view, l4) << 16) | icmp.id(view, l4)
}

// The checksum of layer 4 is mended too, where it was quoted: receivers may look.
function ipv4SetAddresses(v: DataView, to: Quoted): void {
  const { inner, innerL4, protocol, end } = place
  const isFirst = ipv4.fragmentOffset(v, inner) === 0
  const patch = (at: number, after: number): void => {
    const before = v.getInt32(at)
    if (isFirst) patchPseudo(v, innerL4, end, protocol, before, after)
    patch16(v, inner + 10, ipv4.Protocol.tcp, before >>> 16, after >>> 16)
    patch16(v, inner + 10, ipv4.Protocol.tcp, before & 0xffff, after & 0xffff)
    v.setInt32(at, after)
  }
  patch(inner + 12, to.src[3]!)
  patch(inner + 16, to.dst[3]!)
}

// On its way along a routing header the pseudo-header holds another destination than this one.
function ipv6SetAddresses(v: DataView, to: Quoted): void {
  const { inner, innerL4, protocol, isRouted, hasL4, end } = place
  for (let i = 0; i < 4; i++) {
    if (hasL4) patchPseudo(v, innerL4, end, protocol, ipv6.srcWord(v, inner, i), to.src[i]!)
    v.setInt32(inner + 8 + 4 * i, to.src[i]!)
    if (hasL4 && !isRouted)
      patchPseudo(v, innerL4, end, protocol, ipv6.dstWord(v, inner, i), to.dst[i]!)
    v.setInt32(inner + 24 + 4 * i, to.dst[i]!)
  }
}

function setPorts(view: DataView, to: Quoted): void {
  const { innerL4: l4, protocol, end } = place
  if (protocol === ipv4.Protocol.tcp || protocol === ipv4.Protocol.udp) {
    const field = l4 + (protocol === ipv4.Protocol.tcp ? 16 : 6)
    const set = (at: number, port: number): void => {
      if (field + 2 <= end) patch16(view, field, protocol, view.getUint16(at), port)
      view.setUint16(at, port)
    }
    set(l4, to.ports >>> 16)
    set(l4 + 2, to.ports & 0xffff)
  } else if (isIcmp(to.family, protocol) && isQuery(to.family, icmp.type(view, l4))) {
    if (to.family === 4) icmp.setId(view, l4, to.ports >>> 16)
    else icmpv6.setId(view, l4, to.ports >>> 16)
  }
}
