// Frames that came out, read as the RFCs draw them and put together again; nothing of the
// product's.  What cannot be read says why.

import { type Bytes, checksum, HEADER_LENGTH } from './bytes.ts'

export interface Read {
  readonly link: Uint8Array // MAC header, tags and all
  readonly family: 4 | 6
  readonly head: Uint8Array // IP header with options or extension headers
  readonly id: number
  readonly df: boolean
  readonly more: boolean
  readonly offset: number
  readonly protocol: number
  readonly ttl: number
  readonly src: Uint8Array
  readonly dst: Uint8Array
  readonly body: Bytes
  readonly length: number // of the IP packet
}

const u16 = (b: Uint8Array, at: number): number => b[at]! * 256 + b[at + 1]!
const u32 = (b: Uint8Array, at: number): number => u16(b, at) * 65_536 + u16(b, at + 2)
const [ARP, IPV4, IPV6, VLAN] = [0x806, 0x800, 0x86dd, 0x8100]
const [ND_FIRST, ND_LAST] = [133, 137]
const EXTENSIONS = [0, 43, 60]
const FRAGMENT = 44

function l3Of(frame: Uint8Array): { type: number; at: number } {
  let at = 12
  while (u16(frame, at) === VLAN) at += 4
  return { type: u16(frame, at), at: at + 2 }
}

/** ARP and neighbour discovery, which is nobody's answer to anything here. */
export function isChatter(frame: Uint8Array): boolean {
  const { type, at } = l3Of(frame)
  if (type === ARP) return true
  if (type !== IPV6 || frame[at + 6] !== 58) return false
  const icmp = frame[at + 40]!
  return (icmp >= ND_FIRST && icmp <= ND_LAST) || icmp === 143
}

/** Text: what is wrong with it. */
export function read(frame: Bytes): Read | string {
  const { type, at } = l3Of(frame)
  const link = frame.subarray(0, at)
  if (type === IPV4) return read4(link, frame.subarray(at))
  return type === IPV6 ? read6(link, frame.subarray(at)) : `ethertype 0x${type.toString(16)}`
}

function read4(link: Uint8Array, ip: Bytes): Read | string {
  const header = (ip[0]! & 15) * 4
  if (u16(ip, 2) !== ip.length) return `total length ${u16(ip, 2)} of ${ip.length}`
  const head = ip.subarray(0, header)
  if (checksum(head) !== 0) return 'the checksum of the IPv4 header is wrong'
  const fragment = u16(ip, 6)
  return {
    ...{ link, family: 4, head, id: u16(ip, 4), length: ip.length },
    ...{ df: (fragment & 0x4000) !== 0, more: (fragment & 0x2000) !== 0 },
    ...{ offset: (fragment & 0x1fff) * 8, protocol: ip[9]!, ttl: ip[8]! },
    ...{ src: ip.subarray(12, 16), dst: ip.subarray(16, 20), body: ip.subarray(header) }
  }
}

function read6(link: Uint8Array, ip: Bytes): Read | string {
  if (u16(ip, 4) + 40 !== ip.length) return `payload length ${u16(ip, 4)} of ${ip.length - 40}`
  let at: number = HEADER_LENGTH[6]
  let protocol = ip[6]!
  let place = { id: 0, more: false, offset: 0 }
  while (place.offset === 0 && (EXTENSIONS.includes(protocol) || protocol === FRAGMENT)) {
    const isFragment = protocol === FRAGMENT
    protocol = ip[at]!
    if (isFragment) {
      const word = u16(ip, at + 2)
      place = { id: u32(ip, at + 4), more: (word & 1) !== 0, offset: word & ~7 }
    }
    at += isFragment ? 8 : 8 + ip[at + 1]! * 8
  }
  return {
    ...{ link, family: 6, head: ip.subarray(0, at), df: true, protocol, ttl: ip[7]! },
    ...{ ...place, src: ip.subarray(8, 24), dst: ip.subarray(24, 40) },
    ...{ body: ip.subarray(at), length: ip.length }
  }
}

/** What these pieces are together: layer 4 of one packet.  Text: why they are none. */
export function together(all: readonly Read[]): Bytes | string {
  const sorted = [...all].sort((a, b) => a.offset - b.offset)
  let end = 0
  for (const [i, piece] of sorted.entries()) {
    if (piece.offset !== end) return `a piece at ${piece.offset}, where ${end} was to come`
    if (piece.more !== i < sorted.length - 1) return `the piece at ${end}: more is ${piece.more}`
    if (piece.more && piece.body.length % 8 !== 0) return `${piece.body.length} bytes at ${end}`
    if (piece.id !== sorted[0]!.id) return `pieces have ids ${piece.id} and ${sorted[0]!.id}`
    end += piece.body.length
  }
  return Uint8Array.from(sorted.flatMap(({ body }) => [...body]))
}
