// The answer to a TCP segment that belongs to no connection (RFC 9293 §3.5.2): a reset that its
// sender takes for one.  Addresses, ports and the link layer are turned round, tags kept.

import { ipv4IsLoopback, ipv4IsUnicast, ipv6IsMulticast } from './address.ts'
import * as ethernet from './ethernet.ts'
import { turned } from './frames.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'
import * as tcp from './tcp.ts'
import * as vlan from './vlan.ts'

const TTL = 64
const { syn, fin, rst, ack } = tcp.Flag

/** Undefined: no whole segment from one node to another, or a reset itself. */
export function tcpReset(
  view: DataView,
  at: number,
  end: number
): Uint8Array<ArrayBuffer> | undefined {
  if (!ethernet.fits(view, at, end) || ethernet.srcIsGroup(view, at)) return undefined
  const typeAt = vlan.typeAt(view, at, end)
  const type = view.getUint16(typeAt)
  const l3 = typeAt + 2
  if (type === ethernet.Type.ipv4) return reset4(view, at, l3, end)
  return type === ethernet.Type.ipv6 ? reset6(view, at, l3, end) : undefined
}

function reset4(view: DataView, at: number, l3: number, end: number) {
  if (!ipv4.fits(view, l3, end) || ipv4.isFragment(view, l3)) return undefined
  const [src, dst] = [ipv4.src(view, l3), ipv4.dst(view, l3)]
  if (!ipv4IsUnicast(src) || ipv4IsLoopback(src) || !ipv4IsUnicast(dst)) return undefined
  if (ipv4.protocol(view, l3) !== ipv4.Protocol.tcp) return undefined
  const [l4, stop] = [ipv4.payload(view, l3), ipv4.payloadEnd(view, l3)]
  if (!answerable(view, l4, stop)) return undefined
  const { bytes, out, head } = turned(view, at, l3, ipv4.LENGTH_MIN + tcp.LENGTH_MIN)
  const fields = { src: dst, dst: src, protocol: ipv4.Protocol.tcp, ttl: TTL, dontFragment: true }
  ipv4.emit(out, head, { ...fields, payloadLength: tcp.LENGTH_MIN })
  emitReset(out, head, head + ipv4.LENGTH_MIN, view, l4, stop)
  return bytes
}

function reset6(view: DataView, at: number, l3: number, end: number) {
  if (!ipv6.fits(view, l3, end) || !ipv6.walk(view, l3, end)) return undefined
  const { protocol, l4, segmentsLeft } = ipv6.walked
  if (protocol !== ipv6.Protocol.tcp || segmentsLeft !== 0 || ipv6.walkedFragment())
    return undefined
  const stop = ipv6.payloadEnd(view, l3)
  if (ipv6IsMulticast(ipv6.srcWord(view, l3, 0)) || !answerable(view, l4, stop)) return undefined
  const [src, dst] = [new Int32Array(4), new Int32Array(4)]
  ipv6.readSrc(view, l3, src, 0)
  ipv6.readDst(view, l3, dst, 0)
  const { bytes, out, head } = turned(view, at, l3, ipv6.LENGTH + tcp.LENGTH_MIN)
  const fields = { src: dst, dst: src, nextHeader: protocol, hopLimit: TTL }
  ipv6.emit(out, head, { ...fields, payloadLength: tcp.LENGTH_MIN })
  emitReset(out, head, head + ipv6.LENGTH, view, l4, stop)
  return bytes
}

const answerable = (view: DataView, l4: number, stop: number): boolean =>
  tcp.fits(view, l4, stop) && (tcp.flags(view, l4) & rst) === 0

// With an acknowledgement its number is where the reset stands; else what came is acknowledged.
function emitReset(
  out: DataView,
  l3: number,
  at: number,
  view: DataView,
  l4: number,
  stop: number
): void {
  const flags = tcp.flags(view, l4)
  const length =
    stop - tcp.payload(view, l4) + ((flags & syn) !== 0 ? 1 : 0) + ((flags & fin) !== 0 ? 1 : 0)
  const isAnswer = (flags & ack) !== 0
  tcp.emit(out, l3, at, at + tcp.LENGTH_MIN, {
    srcPort: tcp.dstPort(view, l4),
    dstPort: tcp.srcPort(view, l4),
    sequence: isAnswer ? tcp.acknowledgement(view, l4) : 0,
    acknowledgement: isAnswer ? 0 : (tcp.sequence(view, l4) + length) >>> 0,
    flags: isAnswer ? rst : rst | ack,
    window: 0
  })
}
