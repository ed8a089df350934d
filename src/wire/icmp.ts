// ICMP for IPv4 (RFC 792), as functions over (view, at).  Setters keep the checksum true.

import { finish, patch16, sum } from './checksum.ts'
import { Protocol } from './protocol.ts'

export const LENGTH = 8

export const Type = {
  echoReply: 0,
  unreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
  timestamp: 13,
  timestampReply: 14
} as const

/** Codes of `unreachable` (RFC 792, RFC 1812 §5.2.7.1). */
export const Unreachable = {
  net: 0,
  host: 1,
  protocol: 2,
  port: 3,
  fragmentationNeeded: 4,
  adminProhibited: 13
} as const

export const fits = (_view: DataView, at: number, end: number): boolean => end - at >= LENGTH

export const type = (view: DataView, at: number): number => view.getUint8(at)
export const code = (view: DataView, at: number): number => view.getUint8(at + 1)
export const checksum = (view: DataView, at: number): number => view.getUint16(at + 2)
/** Of an echo or another query. */
export const id = (view: DataView, at: number): number => view.getUint16(at + 4)
export const sequence = (view: DataView, at: number): number => view.getUint16(at + 6)
/** Of `unreachable` with code `fragmentationNeeded` (RFC 1191). */
export const mtu = (view: DataView, at: number): number => view.getUint16(at + 6)

/** Whether messages of this type quote the packet they are about (RFC 792). */
export function isError(type: number): boolean {
  return (
    type === Type.unreachable ||
    type === Type.sourceQuench ||
    type === Type.redirect ||
    type === Type.timeExceeded ||
    type === Type.parameterProblem
  )
}

/** Echo request or reply. */
export const isEcho = (type: number): boolean =>
  type === Type.echoRequest || type === Type.echoReply

/** A type whose header carries an id that ties answer to question: echo and the old queries. */
export const hasId = (type: number): boolean => isEcho(type) || (type >= 13 && type <= 18)

/** Where the packet begins that an error quotes; check it with `ipv4.headerFits`. */
export const quoted = (at: number): number => at + LENGTH

export interface Fields {
  readonly type: number
  readonly code: number
  /** The second word: id and sequence of an echo, MTU or pointer of an error. */
  readonly rest: number
}

/** Id and sequence as the header's bytes 4 to 8. */
export const echoRest = (id: number, sequence: number): number => (id << 16) | sequence

/** The payload in [at + LENGTH, end) is there already: the checksum covers it. */
export function emit(view: DataView, at: number, end: number, f: Fields): void {
  view.setUint8(at, f.type)
  view.setUint8(at + 1, f.code)
  view.setUint16(at + 2, 0)
  view.setInt32(at + 4, f.rest)
  view.setUint16(at + 2, finish(sum(view, at, end - at, 0)))
}

export const setType = (view: DataView, at: number, value: number): void =>
  set16(view, at, at, (value << 8) | code(view, at))

export const setId = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 4, value)

export const setSequence = (view: DataView, at: number, value: number): void =>
  set16(view, at, at + 6, value)

function set16(view: DataView, at: number, field: number, value: number): void {
  patch16(view, at + 2, Protocol.icmp, view.getUint16(field), value)
  view.setUint16(field, value)
}
