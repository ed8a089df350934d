// ICMPv6 (RFC 4443), as functions over (view, at).  Neighbour discovery, which rides on it, has a
// file of its own: nd.ts.  The checksum covers a pseudo-header, so whoever makes a message says
// where its IPv6 header is (`l3`); setters keep the checksum true.

import { completeL4, patch16 } from './checksum.ts'
import { Protocol } from './protocol.ts'

export const LENGTH = 8

export const Type = {
  unreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
  listenerQuery: 130,
  listenerReport: 131,
  listenerDone: 132,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
  redirect: 137,
  listenerReport2: 143
} as const

/** Codes of `unreachable` (RFC 4443 §3.1). */
export const Unreachable = { noRoute: 0, adminProhibited: 1, address: 3, port: 4 } as const

export const fits = (_view: DataView, at: number, end: number): boolean => end - at >= LENGTH

export const type = (view: DataView, at: number): number => view.getUint8(at)
export const code = (view: DataView, at: number): number => view.getUint8(at + 1)
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 2)
/** Of an echo. */
export const id = (view: DataView, at: number): number => view.getUint16(at + 4)
export const sequence = (view: DataView, at: number): number => view.getUint16(at + 6)
/** Of `packetTooBig`. */
export const mtu = (view: DataView, at: number): number => view.getUint32(at + 4)

/** RFC 4443 §2.1: the high bit of the type tells errors from the rest. */
export const isError = (type: number): boolean => type < 128
/** Echo request or reply (RFC 4443 §4). */
export const isEcho = (type: number): boolean =>
  type === Type.echoRequest || type === Type.echoReply
/** Messages that are about a link, and never leave it (RFC 4861). */
export const isNeighbourDiscovery = (type: number): boolean =>
  type >= Type.routerSolicitation && type <= Type.redirect

/** Where the packet begins that an error quotes; check it with `ipv6.headerFits`. */
export const quoted = (at: number): number => at + LENGTH

export interface Fields {
  readonly type: number
  readonly code: number
  /**
   * The second word: id and sequence of an echo, MTU or pointer of an error, flags of an
   * advertisement.
   */
  readonly rest: number
}

/** Id and sequence as the header's bytes 4 to 8. */
export const echoRest = (id: number, sequence: number): number => (id << 16) | sequence

/** The IPv6 header at `l3` and the body in [at + LENGTH, end) are there already. */
export function emit(view: DataView, l3: number, at: number, end: number, f: Fields): void {
  view.setUint8(at, f.type)
  view.setUint8(at + 1, f.code)
  view.setInt32(at + 4, f.rest)
  completeL4(view, l3, at, end, Protocol.icmpv6)
}

export const setType = (view: DataView, at: number, value: number): void =>
  set16(view, at, at, (value << 8) | code(view, at))

export const setId = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 4, value)

export const setSequence = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 6, value)

function set16(view: DataView, at: number, field: number, value: number): void {
  patch16(view, at + 2, Protocol.icmpv6, view.getUint16(field), value)
  view.setUint16(field, value)
}
