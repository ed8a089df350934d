// Takes an IPv4 frame apart that offloads have left in one: into the segments its sender meant, if
// it is a GSO frame, and with the layer-4 checksum that was left to the network card
// (CHECKSUM_PARTIAL).  Only then can it be cut into fragments, of which no card completes anything.

import { completeL4, l4Partial } from './checksum.ts'
import * as ipv4 from './ipv4.ts'
import * as tcp from './tcp.ts'
import * as udp from './udp.ts'

/** Each with a buffer of its own, but for a frame that needs nothing. */
export function segments(frame: Uint8Array, l3: number, gsoSize: number): Uint8Array[] {
  const view = viewOf(frame)
  if (!ipv4.fits(view, l3, frame.length) || ipv4.isFragment(view, l3)) return [frame]
  const protocol = ipv4.protocol(view, l3)
  const l4 = ipv4.payload(view, l3)
  const end = ipv4.payloadEnd(view, l3)
  const isTcp = protocol === ipv4.Protocol.tcp
  if (!isTcp && protocol !== ipv4.Protocol.udp) return [frame]
  if (!(isTcp ? tcp : udp).fits(view, l4, end)) return [frame]
  const head = l4 + (isTcp ? tcp.headerLength(view, l4) : udp.LENGTH)
  if (gsoSize === 0 || end - head <= gsoSize)
    return l4Partial(view, l3, l4, end, protocol) || gsoSize > 0
      ? [segment(frame, { l3, l4, head, from: head, to: end, end, number: 0 })]
      : [frame]
  const list: Uint8Array[] = []
  for (let from = head; from < end; from += gsoSize) {
    const to = Math.min(end, from + gsoSize)
    list.push(segment(frame, { l3, l4, head, from, to, end, number: list.length }))
  }
  return list
}

interface Slice {
  readonly l3: number
  readonly l4: number
  readonly head: number // where the payload begins
  readonly from: number
  readonly to: number
  readonly end: number
  readonly number: number // of the segment
}

const LAST_ONLY = tcp.Flag.fin | tcp.Flag.psh
const FIRST_ONLY = tcp.Flag.cwr

function segment(frame: Uint8Array, { l3, l4, head, from, to, end, number }: Slice): Uint8Array {
  const bytes = new Uint8Array(head + to - from)
  bytes.set(frame.subarray(0, head))
  bytes.set(frame.subarray(from, to), head)
  const view = viewOf(bytes)
  ipv4.setTotalLength(view, l3, bytes.length - l3)
  ipv4.setId(view, l3, (ipv4.id(view, l3) + number) & 0xffff)
  const protocol = ipv4.protocol(view, l3)
  if (protocol === ipv4.Protocol.tcp) {
    view.setInt32(l4 + 4, (view.getInt32(l4 + 4) + from - head) | 0)
    const gone = (to < end ? LAST_ONLY : 0) | (number > 0 ? FIRST_ONLY : 0)
    view.setUint8(l4 + 13, view.getUint8(l4 + 13) & ~gone)
  } else view.setUint16(l4 + 4, bytes.length - l4)
  completeL4(view, l3, l4, bytes.length, protocol)
  return bytes
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
