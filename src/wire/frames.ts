// Whole frames that devices send on their own to find neighbours, and to be found: ARP and
// neighbour discovery; and how an answer begins.  Numbers in, bytes out; errors.ts, echo.ts and
// reset.ts make the other answers.

import { MAC_BROADCAST, multicastMac6, solicitedNode } from './address.ts'
import * as arp from './arp.ts'
import * as ethernet from './ethernet.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv6 from './ipv6.ts'
import * as nd from './nd.ts'

/** The bytes of one Ethernet frame. */
export type Frame = Uint8Array<ArrayBuffer>

/** A frame where it lies: bytes `at` to `end` of a view. */
export interface RawFrame {
  readonly view: DataView
  /** Where the frame begins in the view. */
  readonly at: number
  /** One behind its last byte. */
  readonly end: number
}

/**
 * The beginning of an answer: the link layer of the frame at `at` turned round, its tags kept, and
 * room for `length` bytes behind it, from `head` on. `l3` is where its IP header begins.
 */
export function turned(view: DataView, at: number, l3: number, length: number) {
  const head = l3 - at
  const bytes: Frame = new Uint8Array(head + length)
  const out = new DataView(bytes.buffer)
  bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, head))
  ethernet.setDst(out, 0, ethernet.srcHi(view, at), ethernet.srcLo(view, at))
  ethernet.setSrc(out, 0, ethernet.dstHi(view, at), ethernet.dstLo(view, at))
  return { bytes, out, head }
}

/** Who has `target`? To everyone, or to `dstMac` when the asker only wants to know it is there. */
export function arpRequest(mac: number, ip: number, target: number, dstMac = MAC_BROADCAST): Frame {
  const fields = { operation: arp.Operation.request, senderMac: mac, senderIp: ip }
  return arpFrame(dstMac, { ...fields, targetMac: 0, targetIp: target })
}

/** A whole frame: `ip` is at `mac`, said to one node. */
export function arpReply(mac: number, ip: number, toMac: number, toIp: number): Frame {
  const fields = { operation: arp.Operation.reply, senderMac: mac, senderIp: ip }
  return arpFrame(toMac, { ...fields, targetMac: toMac, targetIp: toIp })
}

/** Who has `target`? To its solicited-node group, or to the node itself when `dst` is given. */
export function neighbourSolicitation(
  mac: number,
  src: Int32Array,
  target: Int32Array,
  to?: { readonly mac: number; readonly ip: Int32Array }
): Frame {
  const group = to?.ip ?? solicitedNode(target)
  const dstMac = to?.mac ?? multicastMac6(group[3]!)
  const type = icmpv6.Type.neighbourSolicitation
  // Who has no address yet may not say where it is (RFC 4861 §4.3).
  const from = src.some(word => word !== 0) ? mac : undefined
  return neighbourFrame(mac, dstMac, src, group, { type, flags: 0, target, mac: from })
}

/** `flags` out of nd.Flag; the source is the address that is advertised. */
export function neighbourAdvertisement(
  mac: number,
  target: Int32Array,
  flags: number,
  to: { readonly mac: number; readonly ip: Int32Array }
): Frame {
  const type = icmpv6.Type.neighbourAdvertisement
  return neighbourFrame(mac, to.mac, target, to.ip, { type, flags, target, mac })
}

function arpFrame(dst: number, fields: arp.Fields): Frame {
  const bytes = new Uint8Array(ethernet.LENGTH + arp.LENGTH)
  const view = new DataView(bytes.buffer)
  ethernet.emit(view, 0, { src: fields.senderMac, dst, type: ethernet.Type.arp })
  arp.emit(view, ethernet.LENGTH, fields)
  return bytes
}

function neighbourFrame(
  srcMac: number,
  dstMac: number,
  src: Int32Array,
  dst: Int32Array,
  fields: nd.NeighbourFields
): Frame {
  const l3 = ethernet.LENGTH
  const payloadLength = nd.neighbourLength(fields)
  const bytes = new Uint8Array(l3 + ipv6.LENGTH + payloadLength)
  const view = new DataView(bytes.buffer)
  ethernet.emit(view, 0, { src: srcMac, dst: dstMac, type: ethernet.Type.ipv6 })
  const nextHeader = ipv6.Protocol.icmpv6
  ipv6.emit(view, l3, { src, dst, nextHeader, hopLimit: nd.HOP_LIMIT, payloadLength })
  nd.emitNeighbour(view, l3, l3 + ipv6.LENGTH, fields)
  return bytes
}
