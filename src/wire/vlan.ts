// VLAN tags (IEEE 802.1Q), single or stacked (QinQ, 802.1ad).  A tag is the four bytes TPID, TCI
// that stand between the source address and the type, so `at` here is the offset of its TPID:
// twelve bytes into the frame for the outer tag, four more for the inner.
//
//   dst 6 | src 6 | TPID 2 · TCI 2 | TPID 2 · TCI 2 | type 2 | payload
//                   ^ at             ^ at + LENGTH

import { Type } from './ethernet.ts'

export const LENGTH = 4
/** Tags that are read; what stands behind them is payload. */
export const TAGS_MAX = 2
/** The VLAN id in a TCI. */
export const VID_MASK = 0x0fff

/** Whether a type field says that a tag follows: 0x8100, or 0x88a8 for the outer of two. */
export const isTag = (type: number): boolean => type === Type.vlan || type === Type.qinq

/** Whole when the type that follows the tag is there as well. */
export const fits = (view: DataView, at: number, end: number): boolean =>
  end - at >= LENGTH + 2 && isTag(view.getUint16(at))

export const tpid = (view: DataView, at: number): number => view.getUint16(at)
export const tci = (view: DataView, at: number): number => view.getUint16(at + 2)
export const vid = (view: DataView, at: number): number => view.getUint16(at + 2) & VID_MASK
export const pcp = (view: DataView, at: number): number => view.getUint8(at + 2) >>> 5

/**
 * Where the type stands that says what the payload is, past at most two tags; the payload itself
 * begins two bytes later. `frame` is where the Ethernet header begins, and it fits.
 */
export function typeAt(view: DataView, frame: number, end: number): number {
  let at = frame + 12
  for (let i = 0; i < TAGS_MAX && fits(view, at, end); i++) at += LENGTH
  return at
}

/** How many tags the frame has, at most TAGS_MAX. */
export const count = (view: DataView, frame: number, end: number): number =>
  (typeAt(view, frame, end) - frame - 12) / LENGTH

export function emit(view: DataView, at: number, tpid: number, tci: number): void {
  view.setUint16(at, tpid)
  view.setUint16(at + 2, tci)
}

/**
 * Puts a new outer tag on the frame by moving its addresses four bytes towards the front of the
 * buffer, where there must be room. Returns where the frame now begins.
 */
export function push(view: DataView, frame: number, tpid: number, tci: number): number {
  for (let i = frame; i < frame + 12; i += 4) view.setInt32(i - LENGTH, view.getInt32(i))
  emit(view, frame + 12 - LENGTH, tpid, tci)
  return frame - LENGTH
}

/** Takes the outer tag away, of a frame that has one. Returns where the frame now begins. */
export function pop(view: DataView, frame: number): number {
  for (let i = frame + 8; i >= frame; i -= 4) view.setInt32(i + LENGTH, view.getInt32(i))
  return frame + LENGTH
}
