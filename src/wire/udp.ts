// UDP header (RFC 768), as functions over (view, at).  Setters keep the checksum true; one that
// is absent (zero) stays absent.

import { completeL4, patch16 } from './checksum.ts'
import { Protocol } from './protocol.ts'

export const LENGTH = 8

/**
 * The header is whole. Its length field is another question (`whole`): the first fragment of a
 * datagram names more bytes than it carries.
 */
export const fits = (_view: DataView, at: number, end: number): boolean => end - at >= LENGTH

/** Enough for the ports: a quoted packet need not carry more. */
export const portsFit = (_view: DataView, at: number, end: number): boolean => end - at >= 4

export const whole = (view: DataView, at: number, end: number): boolean =>
  fits(view, at, end) && length(view, at) >= LENGTH && length(view, at) <= end - at

export const srcPort = (view: DataView, at: number): number => view.getUint16(at)
export const dstPort = (view: DataView, at: number): number => view.getUint16(at + 2)
export const length = (view: DataView, at: number): number => view.getUint16(at + 4)
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 6)
export const payload = (at: number): number => at + LENGTH

export interface Fields {
  readonly srcPort: number
  readonly dstPort: number
}

/** The IP header at `l3` and the payload in [at + LENGTH, end) are there already. */
export function emit(view: DataView, l3: number, at: number, end: number, f: Fields): void {
  view.setUint16(at, f.srcPort)
  view.setUint16(at + 2, f.dstPort)
  view.setUint16(at + 4, end - at)
  completeL4(view, l3, at, end, Protocol.udp)
}

export const setSrcPort = (view: DataView, at: number, value: number): void =>
  set16(view, at, at, value)

export const setDstPort = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 2, value)

function set16(view: DataView, at: number, field: number, value: number): void {
  patch16(view, at + 6, Protocol.udp, view.getUint16(field), value)
  view.setUint16(field, value)
}
