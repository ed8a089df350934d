// Cuts a whole frame into IP fragments (RFC 791 §3.2, RFC 8200 §4.5).  For packets we originate,
// for IPv4 packets that may be fragmented on their way, fragments among them, and for tests.

import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'

/**
 * `l3` is where the IPv4 header of the frame begins. Of the options later fragments have those that
 * say so; in place of the others is nothing (RFC 791 §3.1, the copied flag).
 */
export function fragmentIpv4(frame: Uint8Array, l3: number, mtu: number, id: number): Uint8Array[] {
  const view = viewOf(frame)
  if (!ipv4.fits(view, l3, frame.length)) throw new RangeError('no IPv4 packet to cut')
  const header = ipv4.payload(view, l3)
  const end = ipv4.payloadEnd(view, l3)
  if (end - l3 <= mtu) return [frame]
  // Of a fragment: where it lies in its packet, and whether there is more behind it.
  const from = ipv4.fragmentOffset(view, l3)
  const goesOn = ipv4.moreFragments(view, l3)
  return cut(frame, header, end, piece(mtu - (header - l3)), (bytes, offset, more) => {
    const out = viewOf(bytes)
    ipv4.setTotalLength(out, l3, bytes.length - l3)
    ipv4.setId(out, l3, id)
    ipv4.setFragment(out, l3, from + offset, more || goesOn, false)
    if (offset > 0) ipv4.blankUncopied(out, l3)
  })
}

/**
 * The fragment header goes behind the other extension headers, so each fragment carries them all.
 */
export function fragmentIpv6(frame: Uint8Array, l3: number, mtu: number, id: number): Uint8Array[] {
  const view = viewOf(frame)
  if (!ipv6.fits(view, l3, frame.length) || !ipv6.walk(view, l3, frame.length))
    throw new RangeError('no IPv6 packet to cut')
  const { l4, nextHeaderAt, protocol, fragmentAt } = ipv6.walked
  if (fragmentAt !== 0) throw new RangeError('an IPv6 packet that is a fragment already')
  const end = ipv6.payloadEnd(view, l3)
  if (end - l3 <= mtu) return [frame]
  const headed = insert(frame.subarray(0, end), l4, ipv6.FRAGMENT_LENGTH)
  const header = l4 + ipv6.FRAGMENT_LENGTH
  const size = piece(mtu - (header - l3))
  return cut(headed, header, headed.length, size, (bytes, offset, more) => {
    const out = viewOf(bytes)
    out.setUint8(nextHeaderAt, ipv6.Protocol.fragment)
    ipv6.setPayloadLength(out, l3, bytes.length - l3 - ipv6.LENGTH)
    ipv6.emitFragment(out, l4, { nextHeader: protocol, offset, more, id })
  })
}

type Finish = (bytes: Uint8Array, offset: number, more: boolean) => void

function cut(
  frame: Uint8Array,
  header: number,
  end: number,
  size: number,
  finish: Finish
): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let from = header; from < end; from += size) {
    const to = Math.min(end, from + size)
    const bytes = new Uint8Array(header + to - from)
    bytes.set(frame.subarray(0, header))
    bytes.set(frame.subarray(from, to), header)
    finish(bytes, from - header, to < end)
    pieces.push(bytes)
  }
  return pieces
}

// Every piece but the last is a multiple of eight bytes.
function piece(room: number): number {
  const size = room & ~7
  if (size < 8) throw new RangeError(`an MTU that leaves ${room} bytes: expected room for 8`)
  return size
}

function insert(bytes: Uint8Array, at: number, length: number): Uint8Array {
  const wider = new Uint8Array(bytes.length + length)
  wider.set(bytes.subarray(0, at))
  wider.set(bytes.subarray(at), at + length)
  return wider
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
