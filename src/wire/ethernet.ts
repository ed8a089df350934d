// Ethernet II header, as functions over (view, at).  Nothing here allocates; nothing here
// checks bounds twice: call `fits` once, and no accessor below can throw.  Every header file of
// this room has the same five parts in the same order: constants, fits, getters, emit, setters.

import { macFrom, macHi, macLo } from './address.ts'

export const LENGTH = 14

export const Type = {
  ipv4: 0x0800,
  arp: 0x0806,
  transparentEthernet: 0x6558,
  vlan: 0x8100,
  ipv6: 0x86dd,
  qinq: 0x88a8
} as const

/** Below this the field is an 802.3 length, not a type (IEEE 802.3 §3.2.6). */
export const TYPE_MIN = 0x0600

/** The edge of the frame: the one `fits` that holds `end` against the buffer itself. */
export const fits = (view: DataView, at: number, end: number): boolean =>
  at >= 0 && end - at >= LENGTH && end <= view.byteLength

export const dstHi = (view: DataView, at: number): number => view.getUint16(at)
export const dstLo = (view: DataView, at: number): number => view.getInt32(at + 2)
export const srcHi = (view: DataView, at: number): number => view.getUint16(at + 6)
export const srcLo = (view: DataView, at: number): number => view.getInt32(at + 8)
export const dst = (view: DataView, at: number): number => macFrom(dstHi(view, at), dstLo(view, at))
export const src = (view: DataView, at: number): number => macFrom(srcHi(view, at), srcLo(view, at))
export const type = (view: DataView, at: number): number => view.getUint16(at + 12)
export const dstIsGroup = (view: DataView, at: number): boolean => (view.getUint8(at) & 1) !== 0
export const srcIsGroup = (view: DataView, at: number): boolean => (view.getUint8(at + 6) & 1) !== 0

export interface Fields {
  readonly src: number
  readonly dst: number
  readonly type: number
}

export function emit(view: DataView, at: number, f: Fields): void {
  setDst(view, at, macHi(f.dst), macLo(f.dst))
  setSrc(view, at, macHi(f.src), macLo(f.src))
  setType(view, at, f.type)
}

export function setDst(view: DataView, at: number, hi: number, lo: number): void {
  view.setUint16(at, hi)
  view.setInt32(at + 2, lo)
}

export function setSrc(view: DataView, at: number, hi: number, lo: number): void {
  view.setUint16(at + 6, hi)
  view.setInt32(at + 8, lo)
}

export const setType = (view: DataView, at: number, value: number): void =>
  view.setUint16(at + 12, value)
