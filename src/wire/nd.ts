// Neighbour discovery (RFC 4861): solicitations and advertisements of neighbours and routers, as
// functions over (view, at).  The ICMPv6 accessors (icmpv6.ts) work on these messages too.
//
//   NS, NA: type code checksum | flags 4 | target 16 | options
//   RS:     type code checksum | reserved 4 | options
//   RA:     type code checksum | hop limit, flags, lifetime 2 | reachable 4 | retrans 4 | options

import { ipv6IsLinkLocal, ipv6IsMulticast, macFrom, macHi, macLo } from './address.ts'
import { l4Valid } from './checksum.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv6 from './ipv6.ts'

const { Type } = icmpv6

/** No sound message carries more; without a bound a 64 KiB message is 8 000 options of nothing. */
export const OPTIONS_MAX = 32

/** RFC 4861 §6.1, §7.1: a packet with a lower one has crossed a router, so it is forged. */
export const HOP_LIMIT = 255

const NEIGHBOUR_LENGTH = 24
const LINK_LAYER_LENGTH = 8

export const Option = {
  sourceLinkLayer: 1,
  targetLinkLayer: 2,
  prefix: 3,
  redirected: 4,
  mtu: 5
} as const

export const Flag = {
  router: 0x8000_0000 | 0,
  solicited: 0x4000_0000,
  override: 0x2000_0000
} as const

/** The fixed part of the message is there. */
export const fits = (view: DataView, at: number, end: number): boolean =>
  end - at >= icmpv6.LENGTH && end - at >= fixedLength(icmpv6.type(view, at))

/**
 * Where the message begins that the IPv6 packet at `l3` carries, if it may be believed; -1 if not.
 * All that RFC 4861 asks of one (§6.1, §7.1, §8.1) is asked here, and RFC 6980: it is whole, never
 * in fragments, its checksum is right.
 */
export function believed(view: DataView, l3: number, end: number): number {
  if (!ipv6.fits(view, l3, end) || !ipv6.walk(view, l3, end)) return -1
  const { l4, fragmentAt, protocol } = ipv6.walked
  if (protocol !== ipv6.Protocol.icmpv6 || fragmentAt !== 0) return -1
  const stop = ipv6.payloadEnd(view, l3)
  if (!acceptable(view, l3, l4, stop)) return -1
  return l4Valid(view, l3, l4, stop, ipv6.Protocol.icmpv6) ? l4 : -1
}

/** The same of a message that begins at `at`, but for its checksum. */
export function acceptable(view: DataView, l3: number, at: number, end: number): boolean {
  if (ipv6.hopLimit(view, l3) !== HOP_LIMIT || !fits(view, at, end)) return false
  if (icmpv6.code(view, at) !== 0 || !optionsHold(view, at, end)) return false
  switch (icmpv6.type(view, at)) {
    case Type.neighbourSolicitation:
      return !hasGroupTarget(view, at) && (hasSource(view, l3) || isProbe(view, l3, at, end))
    case Type.neighbourAdvertisement:
      // What was asked for goes to whoever asked.
      return (
        !hasGroupTarget(view, at) &&
        !(toGroup(view, l3) && (flags(view, at) & Flag.solicited) !== 0)
      )
    case Type.routerSolicitation:
      return hasSource(view, l3) || optionAt(view, at, end, Option.sourceLinkLayer) < 0
    case Type.routerAdvertisement:
    case Type.redirect:
      return ipv6IsLinkLocal(ipv6.srcWord(view, l3, 0))
    default:
      return true
  }
}

// A probe for duplicates: from nobody, to the group of those who may have the address.
const isProbe = (view: DataView, l3: number, at: number, end: number): boolean =>
  ipv6.dstWord(view, l3, 0) === (0xff02_0000 | 0) &&
  ipv6.dstWord(view, l3, 1) === 0 &&
  ipv6.dstWord(view, l3, 2) === 1 &&
  ipv6.dstWord(view, l3, 3) >>> 24 === 0xff &&
  optionAt(view, at, end, Option.sourceLinkLayer) < 0

// Of solicitations and advertisements of neighbours: other messages may end before it.
const hasGroupTarget = (view: DataView, at: number): boolean => view.getUint8(at + 8) === 0xff

const hasSource = (view: DataView, l3: number): boolean => {
  for (let i = 0; i < 4; i++) if (ipv6.srcWord(view, l3, i) !== 0) return true
  return false
}

const toGroup = (view: DataView, l3: number): boolean => ipv6IsMulticast(ipv6.dstWord(view, l3, 0))

const targetWord = (view: DataView, at: number, i: number): number => view.getInt32(at + 8 + 4 * i)

export function readTarget(view: DataView, at: number, into: Int32Array, o: number): void {
  for (let i = 0; i < 4; i++) into[o + i] = targetWord(view, at, i)
}

/** Of a neighbour advertisement. */
export const flags = (view: DataView, at: number): number => view.getInt32(at + 4)

/**
 * Where the first option of this type begins, or -1; the list ends where it does not hold together.
 */
export function optionAt(view: DataView, at: number, end: number, type: number): number {
  let i = at + fixedLength(icmpv6.type(view, at))
  for (let n = 0; n < OPTIONS_MAX && end - i >= 8; n++) {
    const length = view.getUint8(i + 1) << 3
    if (length === 0 || length > end - i) return -1
    if (view.getUint8(i) === type) return i
    i += length
  }
  return -1
}

/**
 * Whether every link-layer option passes the test: a message may carry several, and receivers
 * differ in which they take.
 */
export function everyLinkLayer(
  view: DataView,
  at: number,
  end: number,
  test: (mac: number) => boolean
): boolean {
  let i = at + fixedLength(icmpv6.type(view, at))
  for (let n = 0; n < OPTIONS_MAX && end - i >= 8; n++) {
    const length = view.getUint8(i + 1) << 3
    if (length === 0) return true
    const type = view.getUint8(i)
    const isLinkLayer = type === Option.sourceLinkLayer || type === Option.targetLinkLayer
    if (isLinkLayer && !test(macFrom(linkLayerHi(view, i), linkLayerLo(view, i)))) return false
    i += length
  }
  return true
}

// The MAC in a link-layer option that `optionAt` found.
const linkLayerHi = (view: DataView, option: number): number => view.getUint16(option + 2)
const linkLayerLo = (view: DataView, option: number): number => view.getInt32(option + 4)

/**
 * The MAC the sender gives as its own: NS and RS as source, NA as target. -1 when it gives none.
 */
export function linkLayer(view: DataView, at: number, end: number, type: number): number {
  const option = optionAt(view, at, end, type)
  // Eight bytes are a MAC's; what is longer is of another kind of link.
  return option < 0 || view.getUint8(option + 1) !== 1
    ? -1
    : macFrom(linkLayerHi(view, option), linkLayerLo(view, option))
}

/** What a solicitation or an advertisement says. */
export interface NeighbourFields {
  /** ICMPv6 type 135 or 136. */
  readonly type: number
  /** Flags of an advertisement; 0 in a solicitation. */
  readonly flags: number
  /** The address in question, four words. */
  readonly target: Int32Array
  /** Left out in a probe for duplicates, whose source is unspecified (RFC 4861 §4.3). */
  readonly mac?: number | undefined
}

/** Bytes of the message with the options it has. */
export const neighbourLength = (f: NeighbourFields): number =>
  NEIGHBOUR_LENGTH + (f.mac === undefined ? 0 : LINK_LAYER_LENGTH)

/** Emits NS or NA; the IPv6 header at `l3` is there already. */
export function emitNeighbour(view: DataView, l3: number, at: number, f: NeighbourFields): void {
  for (let i = 0; i < 4; i++) view.setInt32(at + 8 + 4 * i, f.target[i]!)
  if (f.mac !== undefined) {
    const solicits = f.type === Type.neighbourSolicitation
    const option = solicits ? Option.sourceLinkLayer : Option.targetLinkLayer
    emitLinkLayer(view, at + NEIGHBOUR_LENGTH, option, f.mac)
  }
  const end = at + neighbourLength(f)
  icmpv6.emit(view, l3, at, end, { type: f.type, code: 0, rest: f.flags })
}

function emitLinkLayer(view: DataView, at: number, option: number, mac: number): void {
  view.setUint8(at, option)
  view.setUint8(at + 1, 1)
  view.setUint16(at + 2, macHi(mac))
  view.setInt32(at + 4, macLo(mac))
}

// Every option has a length, and together they end where the message does.
function optionsHold(view: DataView, at: number, end: number): boolean {
  let i = at + fixedLength(icmpv6.type(view, at))
  for (let n = 0; n < OPTIONS_MAX; n++) {
    if (i === end) return true
    const length = end - i >= 8 ? view.getUint8(i + 1) << 3 : 0
    if (length === 0 || length > end - i) return false
    i += length
  }
  return i === end
}

function fixedLength(type: number): number {
  switch (type) {
    case Type.routerAdvertisement:
      return 16
    case Type.neighbourSolicitation:
    case Type.neighbourAdvertisement:
      return NEIGHBOUR_LENGTH
    case Type.redirect:
      return 40
    default:
      return 8
  }
}
