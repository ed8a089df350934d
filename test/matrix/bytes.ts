// Packets written from the RFCs alone: what the matrix sends, and what it holds to be right.  No
// line of the product's is used, so that a fault there is not repeated here: every header is made
// anew, and every checksum is summed over the whole of what it covers.

export type Family = 4 | 6
export type Bytes = Uint8Array<ArrayBuffer>

export interface Datagram {
  readonly is: 'udp' | 'tcp' | 'echo'
  readonly sport: number // of an echo: its id
  readonly dport: number
  readonly body: Uint8Array
  readonly zero?: boolean // UDP without a checksum
  readonly flags?: number // TCP
  readonly reply?: boolean // of an echo
}

export interface IcmpError {
  readonly is: 'error'
  readonly type: number
  readonly code: number
  readonly rest: number // the MTU, the pointer
  readonly quote: Uint8Array
}

// What stands between the addresses and layer 4.  IPv4 has `options` only.  `behind`: destination
// options that are a part of what is cut, so that only the first piece has them.
export type Extra = 'options' | 'hop-by-hop' | 'destination' | 'behind'

export interface Packet {
  readonly family: Family
  readonly src: string
  readonly dst: string
  readonly ttl: number
  readonly l4: Datagram | IcmpError
  readonly extra?: Extra | undefined
  readonly id?: number
  readonly df?: boolean
}

export interface Piece {
  readonly offset: number // bytes
  readonly more: boolean
  readonly bytes: Uint8Array
}

const PROTOCOL = { udp: [17, 17], tcp: [6, 6], echo: [1, 58], error: [1, 58] } as const
const HOP_BY_HOP = 0
const FRAGMENT = 44
const DESTINATION = 60
// Three no-operations and an end, RFC 791 §3.1; and six bytes of padding, RFC 8200 §4.2.
const OPTIONS = [1, 1, 1, 0]
const PADDING = [1, 4, 0, 0, 0, 0]

export const filled = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + 13) & 0xff)

export const join = (...parts: readonly (Uint8Array | readonly number[])[]): Bytes =>
  Uint8Array.from(parts.flatMap(part => [...part]))

const u16 = (n: number): number[] => [(n >>> 8) & 0xff, n & 0xff]
const u32 = (n: number): number[] => [...u16(n >>> 16), ...u16(n & 0xffff)]

// --- addresses -----------------------------------------------------------------------------------

export const macBytes = (mac: string): number[] =>
  mac.split(':').map(each => Number.parseInt(each, 16))

export function addressBytes(ip: string): number[] {
  if (!ip.includes(':')) return ip.split('.').map(Number)
  const [head, tail] = ip.split('::') as [string, string | undefined]
  const words = (text: string | undefined): number[] =>
    text === undefined || text === '' ? [] : text.split(':').map(each => Number.parseInt(each, 16))
  const [before, after] = [words(head), words(tail)]
  const zeros = new Array<number>(8 - before.length - after.length).fill(0)
  return [...before, ...zeros, ...after].flatMap(u16)
}

// --- checksums -----------------------------------------------------------------------------------

/** RFC 1071, word by word. */
export function checksum(...parts: readonly (Uint8Array | readonly number[])[]): number {
  const bytes = join(...parts)
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return 0xffff - sum
}

function pseudo(p: Packet, length: number): number[] {
  const addresses = [...addressBytes(p.src), ...addressBytes(p.dst)]
  const protocol = protocolOf(p)
  return p.family === 4
    ? [...addresses, 0, protocol, ...u16(length)]
    : [...addresses, ...u32(length), 0, 0, 0, protocol]
}

export const protocolOf = ({ family, l4 }: Packet): number => PROTOCOL[l4.is][family === 4 ? 0 : 1]

// --- layer 4 -------------------------------------------------------------------------------------

export function l4Bytes(p: Packet): Bytes {
  const { l4, family } = p
  switch (l4.is) {
    case 'udp': {
      const length = 8 + l4.body.length
      const head = (sum: number): number[] =>
        [l4.sport, l4.dport, length, l4.zero === true ? 0 : sum].flatMap(u16)
      const sum = checksum(pseudo(p, length), head(0), l4.body)
      return join(head(sum === 0 ? 0xffff : sum), l4.body)
    }
    case 'tcp': {
      const flags = 0x5000 | (l4.flags ?? 0x10)
      const head = (sum: number): number[] => [
        ...[l4.sport, l4.dport].flatMap(u16),
        ...[1000, 2000].flatMap(u32),
        ...[flags, 8192, sum, 0].flatMap(u16)
      ]
      return join(head(checksum(pseudo(p, 20 + l4.body.length), head(0), l4.body)), l4.body)
    }
    case 'echo': {
      const [request, reply] = family === 4 ? [8, 0] : [128, 129]
      const type = l4.reply === true ? reply! : request!
      return icmpBytes(p, type, 0, [...u16(l4.sport), ...u16(1)], l4.body)
    }
    case 'error':
      return icmpBytes(p, l4.type, l4.code, u32(l4.rest), l4.quote)
  }
}

function icmpBytes(
  p: Packet,
  type: number,
  code: number,
  rest: readonly number[],
  body: Uint8Array
): Bytes {
  const head = (sum: number): number[] => [type, code, ...u16(sum), ...rest]
  const covered = p.family === 4 ? [] : pseudo(p, 8 + body.length)
  return join(head(checksum(covered, head(0), body)), body)
}

// --- layer 3 -------------------------------------------------------------------------------------

/** The whole packet, or one piece of it. */
export function ipBytes(p: Packet, piece?: Piece): Bytes {
  const body = piece?.bytes ?? l4Bytes(p)
  return p.family === 4 ? ip4(p, body, piece) : ip6(p, body, piece)
}

function ip4(p: Packet, body: Uint8Array, piece: Piece | undefined): Bytes {
  const options = p.extra === undefined ? [] : OPTIONS
  const words = 5 + options.length / 4
  const fragment =
    ((piece?.offset ?? 0) >>> 3) | (piece?.more === true ? 0x2000 : 0) | (p.df ? 0x4000 : 0)
  const head = (sum: number): number[] => [
    ...[0x40 | words, 0],
    ...[words * 4 + body.length, p.id ?? 0, fragment].flatMap(u16),
    ...[p.ttl, protocolOf(p)],
    ...u16(sum),
    ...addressBytes(p.src),
    ...addressBytes(p.dst),
    ...options
  ]
  return join(head(checksum(head(0))), body)
}

function ip6(p: Packet, body: Uint8Array, piece: Piece | undefined): Bytes {
  const headers: { readonly type: number; readonly bytes: readonly number[] }[] = []
  if (p.extra === 'hop-by-hop') headers.push({ type: HOP_BY_HOP, bytes: [0, ...PADDING] })
  if (p.extra === 'destination') headers.push({ type: DESTINATION, bytes: [0, ...PADDING] })
  if (piece !== undefined) {
    const place = piece.offset | (piece.more ? 1 : 0)
    headers.push({ type: FRAGMENT, bytes: [0, ...u16(place), ...u32(p.id ?? 0)] })
  }
  const isBehind = p.extra === 'behind' && piece !== undefined
  const types = [...headers.map(({ type }) => type), isBehind ? DESTINATION : protocolOf(p)]
  const chain = headers.flatMap(({ bytes }, i) => [types[i + 1]!, ...bytes])
  const head = [0x60, 0, 0, 0, ...u16(chain.length + body.length), types[0]!, p.ttl]
  return join(head, addressBytes(p.src), addressBytes(p.dst), chain, body)
}

/** Layer 4 of a packet in pieces of so many bytes, a multiple of eight. */
export function pieces(p: Packet, size: number): Piece[] {
  const behind = p.extra === 'behind' ? [protocolOf(p), 0, ...PADDING] : []
  const whole = join(behind, l4Bytes(p))
  const all: Piece[] = []
  for (let offset = 0; offset < whole.length; offset += size) {
    const bytes = whole.slice(offset, offset + size)
    all.push({ offset, more: offset + size < whole.length, bytes })
  }
  return all
}

// --- layer 2 -------------------------------------------------------------------------------------

export interface Link {
  readonly from: string
  readonly to: string
  readonly vlan?: number | undefined
}

export function frameBytes({ from, to, vlan }: Link, ip: Uint8Array): Bytes {
  const tag = vlan === undefined ? [] : [0x81, 0, ...u16(vlan)]
  const type = ip[0]! >>> 4 === 4 ? [8, 0] : [0x86, 0xdd]
  return join(macBytes(to), macBytes(from), tag, type, ip)
}

export const HEADER_LENGTH = { 4: 20, 6: 40 } as const
