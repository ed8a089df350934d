// IPv6 header and its chain of extension headers (RFC 8200), as functions over (view, at).
//
// `walk` follows the chain to the layer-4 header and leaves what it found in `walked`: one
// object, owned by this module and overwritten by the next walk, so that a worker that walks
// every packet allocates nothing.  Read it at once; do not keep it.

import { patchPseudo } from './checksum.ts'
import { Protocol } from './protocol.ts'

export { Protocol } from './protocol.ts'

export const LENGTH = 40

// Linux and Open vSwitch walk further; no sound packet has more than six (RFC 8200 §4.1), and a
// longer chain is the old way to hide a layer-4 header from a filter.
const EXTENSIONS_MAX = 8
/** Bytes of a fragment header (RFC 8200 §4.5). */
export const FRAGMENT_LENGTH = 8

/** What lies between `payloadEnd` and `end` is Ethernet padding. */
export const fits = (view: DataView, at: number, end: number): boolean =>
  headerFits(view, at, end) && LENGTH + payloadLength(view, at) <= end - at

/** The same for a packet whose tail may be missing, such as one quoted in an ICMP error. */
export const headerFits = (view: DataView, at: number, end: number): boolean =>
  end - at >= LENGTH && view.getUint8(at) >>> 4 === 6

export const trafficClass = (view: DataView, at: number): number =>
  (view.getUint16(at) >>> 4) & 0xff
export const flowLabel = (view: DataView, at: number): number => view.getUint32(at) & 0xf_ffff
export const payloadLength = (view: DataView, at: number): number => view.getUint16(at + 4)
export const nextHeader = (view: DataView, at: number): number => view.getUint8(at + 6)
export const hopLimit = (view: DataView, at: number): number => view.getUint8(at + 7)
export const srcWord = (view: DataView, at: number, i: number): number =>
  view.getInt32(at + 8 + 4 * i)
export const dstWord = (view: DataView, at: number, i: number): number =>
  view.getInt32(at + 24 + 4 * i)
export const payloadEnd = (view: DataView, at: number): number =>
  at + LENGTH + payloadLength(view, at)

export const readSrc = (view: DataView, at: number, into: Int32Array, o: number): void =>
  readWords(view, at + 8, into, o)
export const readDst = (view: DataView, at: number, into: Int32Array, o: number): void =>
  readWords(view, at + 24, into, o)

/** What the last walk along the extension headers found. */
export interface Walked {
  /** The last next-header value met. */
  protocol: number
  /** Where its header begins; in a later fragment, where its bytes go on. */
  l4: number
  /** Where that value stands. */
  nextHeaderAt: number
  /** Where the fragment header stands, 0 when there is none. */
  fragmentAt: number
  /** In bytes. */
  fragmentOffset: number
  /** M of the fragment header; false without one. */
  moreFragments: boolean
  /** There is an authentication header. */
  isAuthenticated: boolean
  /** Of a routing header: not 0 means that dst is not yet the final one. */
  segmentsLeft: number
}

/** One object, written by each walk: read it before the next. */
export const walked: Walked = {
  protocol: 0,
  l4: 0,
  nextHeaderAt: 0,
  fragmentAt: 0,
  fragmentOffset: 0,
  moreFragments: false,
  isAuthenticated: false,
  segmentsLeft: 0
}

/**
 * False when the chain is cut short or too long; `walked` then says how far it went. A walk ends at
 * a later fragment, whose bytes are no header, and at ESP, behind which nothing is legible.
 */
export function walk(view: DataView, at: number, end: number): boolean {
  const stop = Math.min(end, payloadEnd(view, at))
  walked.protocol = nextHeader(view, at)
  walked.nextHeaderAt = at + 6
  walked.l4 = at + LENGTH
  walked.fragmentAt = 0
  walked.fragmentOffset = 0
  walked.moreFragments = false
  walked.isAuthenticated = false
  walked.segmentsLeft = 0
  for (let i = 0; i <= EXTENSIONS_MAX; i++) {
    if (!isExtension(walked.protocol) || walked.fragmentOffset !== 0) return true
    if (walked.protocol === Protocol.ah) walked.isAuthenticated = true
    if (i === EXTENSIONS_MAX || !step(view, stop)) return false
  }
  return false
}

/** Whether the packet of the last walk is a fragment; an atomic one (RFC 6946) is none. */
export const walkedFragment = (): boolean => walked.moreFragments || walked.fragmentOffset !== 0

// One extension header further.  Each is at least eight bytes, so the walk always advances.
function step(view: DataView, stop: number): boolean {
  const at = walked.l4
  if (stop - at < 8) return false
  const length = extensionLength(view, at, walked.protocol)
  if (length > stop - at) return false
  if (walked.protocol === Protocol.routing) walked.segmentsLeft = view.getUint8(at + 3)
  if (walked.protocol === Protocol.fragment) {
    walked.fragmentAt = at
    walked.fragmentOffset = view.getUint16(at + 2) & 0xfff8
    walked.moreFragments = (view.getUint16(at + 2) & 1) !== 0
  }
  walked.protocol = view.getUint8(at)
  walked.nextHeaderAt = at
  walked.l4 = at + length
  return true
}

function extensionLength(view: DataView, at: number, protocol: number): number {
  if (protocol === Protocol.fragment) return FRAGMENT_LENGTH
  const units = view.getUint8(at + 1)
  return protocol === Protocol.ah ? (units + 2) << 2 : (units + 1) << 3
}

const isExtension = (protocol: number): boolean =>
  protocol === Protocol.hopByHop ||
  protocol === Protocol.routing ||
  protocol === Protocol.fragment ||
  protocol === Protocol.destinationOptions ||
  protocol === Protocol.ah

/** Identification of the packet whose fragment header stands there. */
export const fragmentId = (view: DataView, fragmentAt: number): number =>
  view.getUint32(fragmentAt + 4)

export interface Fields {
  readonly src: Int32Array
  readonly dst: Int32Array
  readonly nextHeader: number
  readonly hopLimit: number
  readonly payloadLength: number
  readonly trafficClass?: number | undefined
  readonly flowLabel?: number | undefined
}

export function emit(view: DataView, at: number, f: Fields): void {
  view.setUint32(at, 0x6000_0000 | ((f.trafficClass ?? 0) << 20) | (f.flowLabel ?? 0))
  view.setUint16(at + 4, f.payloadLength)
  view.setUint8(at + 6, f.nextHeader)
  view.setUint8(at + 7, f.hopLimit)
  for (let i = 0; i < 4; i++) {
    view.setInt32(at + 8 + 4 * i, f.src[i]!)
    view.setInt32(at + 24 + 4 * i, f.dst[i]!)
  }
}

/** The fields of a fragment header (RFC 8200 §4.5). */
export interface FragmentFields {
  /** What follows it. */
  readonly nextHeader: number
  /** In bytes, a multiple of eight. */
  readonly offset: number
  /** Whether further fragments follow. */
  readonly more: boolean
  /** Identification. */
  readonly id: number
}

export function emitFragment(view: DataView, at: number, f: FragmentFields): void {
  view.setUint16(at, f.nextHeader << 8)
  view.setUint16(at + 2, (f.offset & 0xfff8) | (f.more ? 1 : 0))
  view.setUint32(at + 4, f.id)
}

export const setTrafficClass = (view: DataView, at: number, value: number): void =>
  view.setUint16(at, (view.getUint16(at) & 0xf00f) | ((value & 0xff) << 4))

export const setPayloadLength = (view: DataView, at: number, value: number): void =>
  view.setUint16(at + 4, value)

export const setHopLimit = (view: DataView, at: number, value: number): void =>
  view.setUint8(at + 7, value)

/**
 * The address setters walk the chain to keep the layer-4 checksum true. `end` is needed for quoted
 * packets only, whose payload length reaches past what is there.
 */
export const setSrc = (
  view: DataView,
  at: number,
  words: Int32Array,
  o: number,
  end = payloadEnd(view, at)
): void => setAddress(view, at, at + 8, words, o, end)

/** Sets the destination; the checksum of the layer behind stays true. */
export const setDst = (
  view: DataView,
  at: number,
  words: Int32Array,
  o: number,
  end = payloadEnd(view, at)
): void => setAddress(view, at, at + 24, words, o, end)

function setAddress(
  view: DataView,
  at: number,
  field: number,
  words: Int32Array,
  o: number,
  end: number
): void {
  const covered = walk(view, at, end) && walked.fragmentOffset === 0
  // On its way along a routing header the pseudo-header holds another destination than dst.
  const patch = covered && (field === at + 8 || walked.segmentsLeft === 0)
  const stop = Math.min(end, payloadEnd(view, at))
  for (let i = 0; i < 4; i++) {
    const before = view.getInt32(field + 4 * i)
    const after = words[o + i]!
    if (patch) patchPseudo(view, walked.l4, stop, walked.protocol, before, after)
    view.setInt32(field + 4 * i, after)
  }
}

function readWords(view: DataView, from: number, into: Int32Array, o: number): void {
  for (let i = 0; i < 4; i++) into[o + i] = view.getInt32(from + 4 * i)
}
