// ARP for IPv4 over Ethernet (RFC 826), as functions over (view, at).

import { macFrom, macHi, macLo } from './address.ts'
import { Type } from './ethernet.ts'

export const LENGTH = 28

/** What the sender wants (RFC 826, `ar$op`). */
export const Operation = { request: 1, reply: 2 } as const

const HARDWARE_ETHERNET = 1
const ADDRESS_LENGTHS = 0x0604

/** Other hardware and other protocols are not ours to read: the frame is then just Ethernet. */
export const fits = (view: DataView, at: number, end: number): boolean =>
  end - at >= LENGTH &&
  view.getUint16(at) === HARDWARE_ETHERNET &&
  view.getUint16(at + 2) === Type.ipv4 &&
  view.getUint16(at + 4) === ADDRESS_LENGTHS

export const operation = (view: DataView, at: number): number => view.getUint16(at + 6)
const senderMacHi = (view: DataView, at: number): number => view.getUint16(at + 8)
const senderMacLo = (view: DataView, at: number): number => view.getInt32(at + 10)
export const senderMac = (view: DataView, at: number): number =>
  macFrom(senderMacHi(view, at), senderMacLo(view, at))
export const senderIp = (view: DataView, at: number): number => view.getInt32(at + 14)
const targetMacHi = (view: DataView, at: number): number => view.getUint16(at + 18)
const targetMacLo = (view: DataView, at: number): number => view.getInt32(at + 20)
export const targetMac = (view: DataView, at: number): number =>
  macFrom(targetMacHi(view, at), targetMacLo(view, at))
export const targetIp = (view: DataView, at: number): number => view.getInt32(at + 24)

/** An announcement (RFC 5227 §3): sender and target are the same, in a request or a reply. */
export const isGratuitous = (view: DataView, at: number): boolean =>
  senderIp(view, at) === targetIp(view, at)

export interface Fields {
  readonly operation: number
  readonly senderMac: number
  readonly senderIp: number
  readonly targetMac: number
  readonly targetIp: number
}

export function emit(view: DataView, at: number, f: Fields): void {
  view.setUint16(at, HARDWARE_ETHERNET)
  view.setUint16(at + 2, Type.ipv4)
  view.setUint16(at + 4, ADDRESS_LENGTHS)
  view.setUint16(at + 6, f.operation)
  setSenderMac(view, at, macHi(f.senderMac), macLo(f.senderMac))
  setSenderIp(view, at, f.senderIp)
  setTargetMac(view, at, macHi(f.targetMac), macLo(f.targetMac))
  setTargetIp(view, at, f.targetIp)
}

export function setSenderMac(view: DataView, at: number, hi: number, lo: number): void {
  view.setUint16(at + 8, hi)
  view.setInt32(at + 10, lo)
}

export const setSenderIp = (view: DataView, at: number, value: number): void =>
  view.setInt32(at + 14, value)

export function setTargetMac(view: DataView, at: number, hi: number, lo: number): void {
  view.setUint16(at + 18, hi)
  view.setInt32(at + 20, lo)
}

export const setTargetIp = (view: DataView, at: number, value: number): void =>
  view.setInt32(at + 24, value)
