// TCP header (RFC 9293), as functions over (view, at).  Setters keep the checksum true.

import { completeL4, patch16 } from './checksum.ts'
import { Protocol } from './protocol.ts'

export const LENGTH_MIN = 20

export const Flag = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80
} as const

/** Whether a packet with these flags asks for a connection (or pretends to). */
export const opens = (flags: number): boolean => (flags & (Flag.syn | Flag.ack)) === Flag.syn

export const Option = { end: 0, nop: 1, mss: 2, windowScale: 3, sackPermitted: 4 } as const

/** The header is whole, options included. */
export function fits(view: DataView, at: number, end: number): boolean {
  if (end - at < LENGTH_MIN) return false
  const header = headerLength(view, at)
  return header >= LENGTH_MIN && header <= end - at
}

/** Enough for the ports: a quoted packet need not carry more. */
export const portsFit = (_view: DataView, at: number, end: number): boolean => end - at >= 4

export const srcPort = (view: DataView, at: number): number => view.getUint16(at)
export const dstPort = (view: DataView, at: number): number => view.getUint16(at + 2)
export const sequence = (view: DataView, at: number): number => view.getUint32(at + 4)
export const acknowledgement = (view: DataView, at: number): number => view.getUint32(at + 8)
export const headerLength = (view: DataView, at: number): number =>
  (view.getUint8(at + 12) >>> 4) << 2
export const flags = (view: DataView, at: number): number => view.getUint8(at + 13)
export const window = (view: DataView, at: number): number => view.getUint16(at + 14)
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 16)
export const payload = (view: DataView, at: number): number => at + headerLength(view, at)

/**
 * Where the first option of this kind begins, or -1. Bounded by the 40 bytes that options can have;
 * a list that does not hold together ends where it breaks.
 */
export function optionAt(view: DataView, at: number, kind: number): number {
  const stop = payload(view, at)
  for (let i = at + LENGTH_MIN; i < stop; ) {
    const found = view.getUint8(i)
    if (found === Option.end) return -1
    if (found === Option.nop) {
      i += 1
      continue
    }
    const length = i + 1 < stop ? view.getUint8(i + 1) : 0
    if (length < 2 || i + length > stop) return -1
    if (found === kind) return i
    i += length
  }
  return -1
}

/** The maximum segment size that a SYN offers, 0 when it offers none. */
export function mss(view: DataView, at: number): number {
  const option = optionAt(view, at, Option.mss)
  return option >= 0 && view.getUint8(option + 1) === 4 ? view.getUint16(option + 2) : 0
}

export interface Fields {
  readonly srcPort: number
  readonly dstPort: number
  readonly sequence: number
  readonly acknowledgement: number
  readonly flags: number
  readonly window: number
  /** Bytes of options, a multiple of four, which the caller has written behind the header. */
  readonly optionsLength?: number | undefined
}

/** The IP header at `l3`, the options and the payload up to `end` are there already. */
export function emit(view: DataView, l3: number, at: number, end: number, f: Fields): void {
  view.setUint16(at, f.srcPort)
  view.setUint16(at + 2, f.dstPort)
  view.setUint32(at + 4, f.sequence)
  view.setUint32(at + 8, f.acknowledgement)
  view.setUint8(at + 12, (LENGTH_MIN + (f.optionsLength ?? 0)) << 2)
  view.setUint8(at + 13, f.flags)
  view.setUint16(at + 14, f.window)
  view.setUint16(at + 18, 0)
  completeL4(view, l3, at, end, Protocol.tcp)
}

export const setSrcPort = (view: DataView, at: number, value: number): void =>
  set16(view, at, at, value)

export const setDstPort = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 2, value)

function set16(view: DataView, at: number, field: number, value: number): void {
  const before = view.getUint16(field)
  view.setUint16(field, value)
  patch16(view, at + 16, Protocol.tcp, before, view.getUint16(field))
}
