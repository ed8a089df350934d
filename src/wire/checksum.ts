// The Internet checksum (RFC 1071), its incremental update (RFC 1624, equation 3), and the
// layer-4 checksums with their pseudo-headers.  Sums are kept unfolded in a number: a frame of
// 64 KiB adds up to less than 2^31, so nothing overflows before `fold`.
//
// UDP is the odd one (RFC 768): a computed zero is sent as 0xffff, because zero on the wire
// means "no checksum"; so an absent one stays absent through every edit.

import { Protocol } from './protocol.ts'

export function sum(view: DataView, at: number, length: number, seed: number): number {
  let total = seed
  const stop = at + length
  const stop32 = stop - 3
  let i = at
  for (; i < stop32; i += 4) {
    const word = view.getInt32(i)
    total += (word >>> 16) + (word & 0xffff)
  }
  if (i < stop - 1) {
    total += view.getUint16(i)
    i += 2
  }
  if (i < stop) total += view.getUint8(i) << 8
  return total
}

/** A sum of 16-bit words with its carries added in, as one word (RFC 1071). */
export function fold(total: number): number {
  let folded = total
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16)
  return folded
}

/** What belongs into a checksum field, given the sum of everything else. */
export const finish = (total: number): number => ~fold(total) & 0xffff

/** The checksum when one of the 16-bit words it covers changes (RFC 1624). */
export const update16 = (checksum: number, before: number, after: number): number =>
  ~fold((~checksum & 0xffff) + (~before & 0xffff) + after) & 0xffff

/** The checksum when one of the 32-bit words it covers changes (RFC 1624). */
export const update32 = (checksum: number, before: number, after: number): number =>
  update16(update16(checksum, before >>> 16, after >>> 16), before & 0xffff, after & 0xffff)

function pseudoSum4(view: DataView, l3: number, protocol: number, length: number): number {
  return sum(view, l3 + 12, 8, protocol + length)
}

// The destination is the one in the header.  RFC 8200 §8.1 wants the final one while a routing
// header still has segments left; such packets pass through us but are never made here.
function pseudoSum6(view: DataView, l3: number, protocol: number, length: number): number {
  return sum(view, l3 + 8, 32, protocol + (length >>> 16) + (length & 0xffff))
}

// Where the checksum lies from the start of the layer-4 header; -1 when we know of none.
function l4Field(protocol: number): number {
  switch (protocol) {
    case Protocol.tcp:
      return 16
    case Protocol.udp:
      return 6
    case Protocol.icmp:
    case Protocol.icmpv6:
      return 2
    default:
      return -1
  }
}

/**
 * The checksum that belongs into the layer-4 header at `l4`, whatever stands there now. The IP
 * header at `l3` says by its version which pseudo-header counts; [l4, end) is the whole segment,
 * not a fragment. The caller has made sure that the header is there (`l4Field`).
 */
export function l4Checksum(
  view: DataView,
  l3: number,
  l4: number,
  end: number,
  protocol: number
): number {
  const field = view.getUint16(l4 + l4Field(protocol))
  const checksum = finish(l4Sum(view, l3, l4, end, protocol) - field)
  return checksum === 0 && protocol === Protocol.udp ? 0xffff : checksum
}

/** Writes the checksum; false when there is no field for one, or no room. */
export function completeL4(
  view: DataView,
  l3: number,
  l4: number,
  end: number,
  protocol: number
): boolean {
  const field = l4Field(protocol)
  if (field < 0 || l4 + field + 2 > end) return false
  view.setUint16(l4 + field, l4Checksum(view, l3, l4, end, protocol))
  return true
}

/** True too where there is nothing to be wrong: no field, or UDP over IPv4 without a checksum. */
export function l4Valid(
  view: DataView,
  l3: number,
  l4: number,
  end: number,
  protocol: number
): boolean {
  const field = l4Field(protocol)
  if (field < 0) return true
  if (l4 + field + 2 > end) return false
  if (protocol === Protocol.udp && view.getUint16(l4 + 6) === 0) return isVersion4(view, l3)
  return fold(l4Sum(view, l3, l4, end, protocol)) === 0xffff
}

/**
 * True for TCP or UDP whose checksum was left to the network card (CHECKSUM_PARTIAL): the field
 * holds no more than the sum of the pseudo-header. native/addon/datapath/finish.c asks the same.
 */
export function l4Partial(
  view: DataView,
  l3: number,
  l4: number,
  end: number,
  protocol: number
): boolean {
  if (protocol !== Protocol.tcp && protocol !== Protocol.udp) return false
  const field = l4 + l4Field(protocol)
  if (field + 2 > end) return false
  const length = end - l4
  const pseudo = isVersion4(view, l3)
    ? pseudoSum4(view, l3, protocol, length)
    : pseudoSum6(view, l3, protocol, length)
  return view.getUint16(field) === fold(pseudo)
}

/** What a receiver takes: right, or left to a network card that no longer comes into it. */
export const l4Acceptable: typeof l4Valid = (view, l3, l4, end, protocol) =>
  l4Valid(view, l3, l4, end, protocol) || l4Partial(view, l3, l4, end, protocol)

// Keeps a layer-4 checksum true when 16 bits that it covers change from `before` to `after`.
//
/**
 * RFC 1624's formula gives 0 where all the rest is zero, and there only 0xffff is right. It can
 * happen to ICMP (an echo reply with id, sequence and payload zero), which has no pseudo-header;
 * 0xffff verifies wherever 0 does, so it is written for ICMP as it must be for UDP.
 */
export function patch16(
  view: DataView,
  field: number,
  protocol: number,
  before: number,
  after: number
): void {
  const checksum = view.getUint16(field)
  if (checksum === 0 && protocol === Protocol.udp) return
  const updated = update16(checksum, before, after & 0xffff)
  view.setUint16(field, updated === 0 && protocol !== Protocol.tcp ? 0xffff : updated)
}

/** The same when 32 bits of an IP address change, which only pseudo-header checksums notice. */
export function patchPseudo(
  view: DataView,
  l4: number,
  end: number,
  protocol: number,
  before: number,
  after: number
): void {
  if (protocol === Protocol.icmp) return
  const field = l4Field(protocol)
  if (field < 0 || l4 + field + 2 > end) return
  patch16(view, l4 + field, protocol, before >>> 16, after >>> 16)
  patch16(view, l4 + field, protocol, before & 0xffff, after & 0xffff)
}

function l4Sum(view: DataView, l3: number, l4: number, end: number, protocol: number): number {
  const length = end - l4
  if (protocol === Protocol.icmp) return sum(view, l4, length, 0)
  const pseudo = isVersion4(view, l3)
    ? pseudoSum4(view, l3, protocol, length)
    : pseudoSum6(view, l3, protocol, length)
  return sum(view, l4, length, pseudo)
}

const isVersion4 = (view: DataView, l3: number): boolean => view.getUint8(l3) >>> 4 === 4
