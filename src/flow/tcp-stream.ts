// Where the packets of one direction of a TCP connection stand in its stream: whoever resets a
// connection knows how far it had come, and whoever only guesses does not (RFC 5961 §3).

import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import * as vlan from '../wire/vlan.ts'

// A reset may overtake what was sent before it, or answer something that comes late.
const NEAR = 0xffff

/** The sequence number of a frame's TCP segment; -1: it has none. */
export const sequenceOf = (view: DataView, at: number, end: number): number =>
  find(view, at, end) ? tcp.sequence(view, place.l4) : -1

/** The sequence number behind a frame's TCP segment; 0: it has none. */
export function nextOf(view: DataView, at: number, end: number): number {
  if (!find(view, at, end)) return 0
  const { l4, end: stop } = place
  const flags = tcp.flags(view, l4)
  const marks = ((flags & tcp.Flag.syn) >> 1) + (flags & tcp.Flag.fin)
  return (tcp.sequence(view, l4) + (stop - l4 - tcp.headerLength(view, l4)) + marks) >>> 0
}

/** The further of two; 0 is before all. */
export const further = (a: number, b: number): number =>
  a === 0 || (b !== 0 && ((b - a) | 0) > 0) ? b : a

/** Whether a reset with this sequence number may be of who had sent up to `next`. */
export const isNear = (sequence: number, next: number): boolean =>
  next !== 0 && Math.abs((sequence - next) | 0) <= NEAR

const place = { l4: 0, end: 0 }

function find(view: DataView, at: number, end: number): boolean {
  const typeAt = vlan.typeAt(view, at, end)
  if (end - typeAt < 2) return false
  const l3 = typeAt + 2
  const type = view.getUint16(typeAt)
  if (type === ethernet.Type.ipv4) {
    if (!ipv4.headerFits(view, l3, end) || ipv4.protocol(view, l3) !== ipv4.Protocol.tcp)
      return false
    if (ipv4.fragmentOffset(view, l3) !== 0) return false
    place.l4 = ipv4.payload(view, l3)
    place.end = ipv4.payloadEnd(view, l3)
  } else {
    if (type !== ethernet.Type.ipv6 || !ipv6.fits(view, l3, end)) return false
    if (!ipv6.walk(view, l3, end) || ipv6.walked.protocol !== ipv4.Protocol.tcp) return false
    if (ipv6.walked.fragmentOffset !== 0) return false
    place.l4 = ipv6.walked.l4
    place.end = ipv6.payloadEnd(view, l3)
  }
  return tcp.fits(view, place.l4, Math.min(end, place.end))
}
