// GRE header (RFC 2784) with key and sequence number (RFC 2890), as functions over (view, at).
//
//   flags 2 | protocol 2 | checksum 2, reserved 2 (if C) | key 4 (if K) | sequence 4 (if S)

import { finish, fold, sum } from './checksum.ts'

export const LENGTH_MIN = 4

export const Flag = { checksum: 0x8000, routing: 0x4000, key: 0x2000, sequence: 0x1000 } as const

const VERSION_MASK = 0x0007

/** Version 0 without source routing, which RFC 2784 took out; the optional words are there. */
export function fits(view: DataView, at: number, end: number): boolean {
  if (end - at < LENGTH_MIN) return false
  if ((flags(view, at) & (Flag.routing | VERSION_MASK)) !== 0) return false
  return headerLength(view, at) <= end - at
}

export const flags = (view: DataView, at: number): number => view.getUint16(at)
export const protocol = (view: DataView, at: number): number => view.getUint16(at + 2)
const hasChecksum = (view: DataView, at: number): boolean => (flags(view, at) & Flag.checksum) !== 0
export const hasKey = (view: DataView, at: number): boolean => (flags(view, at) & Flag.key) !== 0
export const hasSequence = (view: DataView, at: number): boolean =>
  (flags(view, at) & Flag.sequence) !== 0
export const headerLength = (view: DataView, at: number): number => lengthOf(flags(view, at))
export const payload = (view: DataView, at: number): number => at + headerLength(view, at)
/** 0 when there is none; `hasKey` tells the two apart. */
export const key = (view: DataView, at: number): number =>
  hasKey(view, at) ? view.getUint32(keyAt(view, at)) : 0
export const sequence = (view: DataView, at: number): number =>
  hasSequence(view, at) ? view.getUint32(payload(view, at) - 4) : 0
export const checksumValid = (view: DataView, at: number, end: number): boolean =>
  !hasChecksum(view, at) || fold(sum(view, at, end - at, 0)) === 0xffff

export interface Fields {
  readonly protocol: number
  readonly key?: number | undefined
  readonly sequence?: number | undefined
  readonly checksum?: boolean | undefined
}

/** Bytes of the header with the optional fields that are given. */
export const lengthFor = (f: Fields): number => lengthOf(flagsFor(f))

/** The payload up to `end` is there already, should the checksum be asked for. */
export function emit(view: DataView, at: number, end: number, f: Fields): void {
  view.setUint16(at, flagsFor(f))
  view.setUint16(at + 2, f.protocol)
  if (f.checksum) view.setUint32(at + 4, 0)
  if (f.key !== undefined) view.setUint32(keyAt(view, at), f.key)
  if (f.sequence !== undefined) view.setUint32(payload(view, at) - 4, f.sequence)
  if (f.checksum) view.setUint16(at + 4, finish(sum(view, at, end - at, 0)))
}

const keyAt = (view: DataView, at: number): number =>
  at + LENGTH_MIN + (hasChecksum(view, at) ? 4 : 0)

const flagsFor = (f: Fields): number =>
  (f.checksum ? Flag.checksum : 0) |
  (f.key === undefined ? 0 : Flag.key) |
  (f.sequence === undefined ? 0 : Flag.sequence)

const lengthOf = (flags: number): number =>
  LENGTH_MIN +
  (flags & Flag.checksum ? 4 : 0) +
  (flags & Flag.key ? 4 : 0) +
  (flags & Flag.sequence ? 4 : 0)
