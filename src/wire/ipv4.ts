// IPv4 header (RFC 791), as functions over (view, at).  Setters keep the header checksum true,
// and an address setter the TCP or UDP checksum too, so no caller can forget to (RFC 1624).

import { finish, fold, patchPseudo, sum, update16, update32 } from './checksum.ts'

import { Protocol } from './protocol.ts'

export { Protocol } from './protocol.ts'

export const LENGTH_MIN = 20

// Options have 40 bytes at most, and the shortest has one: the walk cannot take longer.
const OPTION_END = 0
const OPTION_NOP = 1

const AH_MIN = 8
const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS = 0x2000
const OFFSET_MASK = 0x1fff

/**
 * True when the header is whole and its own length fields agree with each other and with `end`.
 * What lies between `payloadEnd` and `end` is Ethernet padding.
 */
export const fits = (view: DataView, at: number, end: number): boolean =>
  headerFits(view, at, end) && totalLength(view, at) <= end - at

/** The same for a packet whose tail may be missing, such as one quoted in an ICMP error. */
export function headerFits(view: DataView, at: number, end: number): boolean {
  if (end - at < LENGTH_MIN || view.getUint8(at) >>> 4 !== 4) return false
  const header = headerLength(view, at)
  return header >= LENGTH_MIN && header <= end - at && header <= totalLength(view, at)
}

export const headerLength = (view: DataView, at: number): number => (view.getUint8(at) & 15) << 2
export const tos = (view: DataView, at: number): number => view.getUint8(at + 1)
export const totalLength = (view: DataView, at: number): number => view.getUint16(at + 2)
export const id = (view: DataView, at: number): number => view.getUint16(at + 4)
export const dontFragment = (view: DataView, at: number): boolean =>
  (view.getUint16(at + 6) & DONT_FRAGMENT) !== 0
export const moreFragments = (view: DataView, at: number): boolean =>
  (view.getUint16(at + 6) & MORE_FRAGMENTS) !== 0
/** In bytes, as in IPv6: a first fragment or a whole packet has 0. */
export const fragmentOffset = (view: DataView, at: number): number =>
  (view.getUint16(at + 6) & OFFSET_MASK) << 3
export const isFragment = (view: DataView, at: number): boolean =>
  (view.getUint16(at + 6) & (MORE_FRAGMENTS | OFFSET_MASK)) !== 0
export const ttl = (view: DataView, at: number): number => view.getUint8(at + 8)
export const protocol = (view: DataView, at: number): number => view.getUint8(at + 9)
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 10)
export const src = (view: DataView, at: number): number => view.getInt32(at + 12)
export const dst = (view: DataView, at: number): number => view.getInt32(at + 16)
export const payload = (view: DataView, at: number): number => at + headerLength(view, at)
export const payloadEnd = (view: DataView, at: number): number => at + totalLength(view, at)

export const checksumValid = (view: DataView, at: number): boolean =>
  fold(sum(view, at, headerLength(view, at), 0)) === 0xffff

/** What `findTransport` found last: overwritten by the next. */
export const transport = { protocol: 0, l4: 0, isAuthenticated: false }

/**
 * The protocol and where it begins, behind an authentication header if there is one (RFC 4302); one
 * that does not hold together is left standing. `end` is that of the packet, or of what is quoted.
 */
export function findTransport(view: DataView, at: number, end: number): void {
  transport.protocol = protocol(view, at)
  transport.l4 = payload(view, at)
  transport.isAuthenticated = transport.protocol === Protocol.ah && fragmentOffset(view, at) === 0
  if (!transport.isAuthenticated || end - transport.l4 < AH_MIN) return
  const length = (view.getUint8(transport.l4 + 1) + 2) << 2
  if (length > end - transport.l4) return
  transport.protocol = view.getUint8(transport.l4)
  transport.l4 += length
}

/**
 * Where the first option of this type begins, or -1; a list that does not hold together ends there.
 */
export function optionAt(view: DataView, at: number, type: number): number {
  const stop = payload(view, at)
  for (let i = at + LENGTH_MIN; i < stop; ) {
    const kind = view.getUint8(i)
    if (kind === OPTION_END) return -1
    const length = kind === OPTION_NOP ? 1 : i + 1 < stop ? view.getUint8(i + 1) : 0
    if (length < 1 || (length < 2 && kind !== OPTION_NOP) || i + length > stop) return -1
    if (kind === type) return i
    i += length
  }
  return -1
}

const OPTION_COPIED = 0x80

/** Puts NOPs in place of the options that only the first fragment has. */
export function blankUncopied(view: DataView, at: number): void {
  const stop = payload(view, at)
  for (let i = at + LENGTH_MIN; i < stop; ) {
    const kind = view.getUint8(i)
    if (kind === OPTION_END) break
    const length = kind === OPTION_NOP ? 1 : i + 1 < stop ? view.getUint8(i + 1) : 0
    if (length < 1 || (kind !== OPTION_NOP && length < 2) || i + length > stop) break
    if ((kind & OPTION_COPIED) === 0)
      for (let n = i; n < i + length; n++) view.setUint8(n, OPTION_NOP)
    i += length
  }
  complete(view, at)
}

/** Writes the sum that belongs into the header. */
export function complete(view: DataView, at: number): void {
  view.setUint16(at + 10, 0)
  view.setUint16(at + 10, finish(sum(view, at, headerLength(view, at), 0)))
}

export interface Fields {
  readonly src: number
  readonly dst: number
  readonly protocol: number
  readonly ttl: number
  readonly payloadLength: number
  readonly tos?: number | undefined
  readonly id?: number | undefined
  readonly dontFragment?: boolean | undefined
  readonly moreFragments?: boolean | undefined
  readonly fragmentOffset?: number | undefined
  /** Bytes of options, a multiple of four, which the caller has written behind the header. */
  readonly optionsLength?: number | undefined
}

export function emit(view: DataView, at: number, f: Fields): void {
  const header = LENGTH_MIN + (f.optionsLength ?? 0)
  view.setUint8(at, 0x40 | (header >>> 2))
  view.setUint8(at + 1, f.tos ?? 0)
  view.setUint16(at + 2, header + f.payloadLength)
  view.setUint16(at + 4, f.id ?? 0)
  view.setUint16(at + 6, fragmentWord(f))
  view.setUint8(at + 8, f.ttl)
  view.setUint8(at + 9, f.protocol)
  view.setUint16(at + 10, 0)
  view.setInt32(at + 12, f.src)
  view.setInt32(at + 16, f.dst)
  view.setUint16(at + 10, finish(sum(view, at, header, 0)))
}

const fragmentWord = (f: Fields): number =>
  (f.dontFragment ? DONT_FRAGMENT : 0) |
  (f.moreFragments ? MORE_FRAGMENTS : 0) |
  ((f.fragmentOffset ?? 0) >>> 3)

export const setTos = (view: DataView, at: number, value: number): void =>
  set16(view, at, at, (view.getUint8(at) << 8) | (value & 0xff))

/** The payload's own checksum covers its length: whoever changes it completes that one again. */
export const setTotalLength = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 2, value)

export const setId = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 4, value)

/** Sets offset (bytes) and both flags; the header's checksum stays true. */
export const setFragment = (
  view: DataView,
  at: number,
  offset: number,
  more: boolean,
  dont: boolean
): void =>
  set16(
    view,
    at,
    at + 6,
    (dont ? DONT_FRAGMENT : 0) | (more ? MORE_FRAGMENTS : 0) | ((offset >>> 3) & OFFSET_MASK)
  )

export const setTtl = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 8, ((value & 0xff) << 8) | protocol(view, at))

/** Never below zero: a packet that has no hop left stays so, and the caller has asked before. */
export const decrementTtl = (view: DataView, at: number): void =>
  setTtl(view, at, Math.max(0, ttl(view, at) - 1))

/** `end` is needed for quoted packets only, whose total length reaches past what is there. */
export const setSrc = (
  view: DataView,
  at: number,
  value: number,
  end = payloadEnd(view, at)
): void => setAddress(view, at, at + 12, value, end)

/** Sets the destination; the checksums of IPv4 and of the layer behind stay true. */
export const setDst = (
  view: DataView,
  at: number,
  value: number,
  end = payloadEnd(view, at)
): void => setAddress(view, at, at + 16, value, end)

function set16(view: DataView, at: number, field: number, value: number): void {
  const before = view.getUint16(field)
  view.setUint16(field, value)
  view.setUint16(at + 10, update16(checksum(view, at), before, view.getUint16(field)))
}

function setAddress(view: DataView, at: number, field: number, value: number, end: number): void {
  const before = view.getInt32(field)
  view.setInt32(field, value)
  view.setUint16(at + 10, update32(checksum(view, at), before, value))
  // Only the first fragment carries the layer-4 header, and so the checksum of the whole.
  if (fragmentOffset(view, at) !== 0) return
  findTransport(view, at, Math.min(end, payloadEnd(view, at)))
  patchPseudo(view, transport.l4, end, transport.protocol, before, value)
}
