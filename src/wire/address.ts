// Addresses.  Inside, a MAC is a 48-bit number, an IPv4 address an int32, an IPv6 address four
// int32 words; an address of either family is four words with IPv4 in the last and zeros before.
// Text is for the edges of the program only (API, config, logs, tests), and so are the
// RangeErrors: each names the value and what was expected.

const ZERO = 0x30 // '0'
const DOT = 0x2e
const COLON = 0x3a

// The value of a hexadecimal digit of either case; NaN when it is none.
function hexDigit(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code >= ZERO && code <= ZERO + 9) return code - ZERO
  const letter = (code | 0x20) - 0x61 // 'a'
  return letter >= 0 && letter < 6 ? letter + 10 : Number.NaN
}

// ---- MAC

/** ff:ff:ff:ff:ff:ff, to every node of a segment. */
export const MAC_BROADCAST = 0xffff_ffff_ffff

/** The upper 16 bits of a MAC, for keys made of 32-bit words. */
export const macHi = (mac: number): number => Math.floor(mac / 0x1_0000_0000)
/** The lower 32 bits of a MAC, as a signed word. */
export const macLo = (mac: number): number => mac | 0
/** A MAC out of its upper 16 and its lower 32 bits. */
export const macFrom = (hi: number, lo: number): number => hi * 0x1_0000_0000 + (lo >>> 0)
/** Whether the MAC is a multicast or broadcast address (IEEE 802, the I/G bit). */
export const macIsGroup = (mac: number): boolean => (macHi(mac) & 0x0100) !== 0

const MAC_CHARACTERS = 17

/** Reads `02:00:00:00:00:01`. Throws INVALID with what was expected. */
export function parseMac(text: string): number {
  let mac = text.length === MAC_CHARACTERS ? 0 : Number.NaN
  for (let at = 0; at < MAC_CHARACTERS && mac >= 0; at += 3) {
    const byte = hexDigit(text, at) * 16 + hexDigit(text, at + 1)
    const isParted = at + 2 === MAC_CHARACTERS || text.charCodeAt(at + 2) === COLON
    mac = isParted ? mac * 256 + byte : Number.NaN
  }
  if (!(mac >= 0)) throw wrong(text, 'a MAC address such as 02:00:00:00:00:01')
  return mac
}

/** Six bytes in lower-case hexadecimal, joined by colons. */
export function formatMac(mac: number): string {
  const digits = mac.toString(16).padStart(12, '0')
  let text = digits.slice(0, 2)
  for (let at = 2; at < 12; at += 2) text += `:${digits.slice(at, at + 2)}`
  return text
}

// ---- IPv4

/** 255.255.255.255, as a signed word. */
export const IPV4_BROADCAST = -1
const IPV4_CHARACTERS_MAX = 15

/** 224.0.0.0/4 (RFC 5771). */
export const ipv4IsMulticast = (ip: number): boolean => ip >>> 28 === 0xe
/** 127.0.0.0/8 (RFC 1122 §3.2.1.3). */
export const ipv4IsLoopback = (ip: number): boolean => ip >>> 24 === 127
// 0.0.0.0/8 is "this network" (RFC 1122 §3.2.1.3): never a destination, as a source unspecified.
const ipv4IsUnspecified = (ip: number): boolean => ip >>> 24 === 0
/** 224/4 and up: multicast, reserved, limited broadcast. None of them is one node's address. */
export const ipv4IsUnicast = (ip: number): boolean => ip >>> 28 < 0xe && !ipv4IsUnspecified(ip)

/** Reads dotted decimal without leading zeros. Throws INVALID. */
export function parseIpv4(text: string): number {
  const value = ipv4Value(text)
  if (value === undefined) throw wrong(text, 'an IPv4 address such as 10.0.0.1')
  return value
}

/** Dotted decimal. */
export const formatIpv4 = (ip: number): string =>
  `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`

// A leading zero is refused: some read it as octal, and two readings are a way past a filter.
function ipv4Value(text: string): number | undefined {
  if (text.length > IPV4_CHARACTERS_MAX) return undefined
  let [value, part, digits, parts] = [0, 0, 0, 0]
  for (let at = 0; at <= text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit >= 0 && digit <= 9) {
      if (digits === 1 && part === 0) return undefined
      part = part * 10 + digit
      digits++
      continue
    }
    const isParted = at === text.length ? parts === 3 : parts < 3 && digit === DOT - ZERO
    if (!isParted || digits === 0 || part > 255) return undefined
    value = (value << 8) | part
    ;[part, digits] = [0, 0]
    parts++
  }
  return value
}

// ---- IPv6

/** ff00::/8, by the first word (RFC 4291 §2.7). */
export const ipv6IsMulticast = (word0: number): boolean => word0 >>> 24 === 0xff
/** fe80::/10, by the first word (RFC 4291 §2.5.6). */
export const ipv6IsLinkLocal = (word0: number): boolean => word0 >>> 22 === 0xfe80 >>> 6
/** `::`, which stands for "no address" (RFC 4291 §2.5.2). */
export const ipv6IsUnspecified = (w0: number, w1: number, w2: number, w3: number): boolean =>
  (w0 | w1 | w2 | w3) === 0
/** `::1` (RFC 4291 §2.5.3). */
export const ipv6IsLoopback = (w0: number, w1: number, w2: number, w3: number): boolean =>
  (w0 | w1 | w2) === 0 && w3 === 1

/** Writes the four words of an IPv6 address into `into` from `at` on. Throws INVALID. */
export function parseIpv6(text: string, into: Int32Array, at: number): void {
  const groups = ipv6Groups(text)
  if (groups === undefined) throw wrong(text, 'an IPv6 address such as 2001:db8::1')
  for (let i = 0; i < 4; i++) into[at + i] = (groups[2 * i]! << 16) | groups[2 * i + 1]!
}

/**
 * The canonical text of RFC 5952: lower case, no leading zeros, the first longest run of two or
 * more zero groups as `::`, and IPv4-mapped addresses with a dotted tail (§5).
 */
export function formatIpv6(words: Int32Array, at: number): string {
  const groups: number[] = []
  for (let i = 0; i < 4; i++) groups.push(words[at + i]! >>> 16, words[at + i]! & 0xffff)
  if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff)
    return `::ffff:${formatIpv4(words[at + 3]!)}`
  const hex = groups.map(group => group.toString(16))
  const { start, length } = longestZeros(groups)
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function ipv6Groups(text: string): number[] | undefined {
  if (text.length > 45) return undefined
  const halves = text.split('::', 3)
  if (halves.length > 2) return undefined
  const head = groupsOf(halves[0]!, halves.length === 1)
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 8 ? head : undefined
  const tail = groupsOf(halves[1]!, true)
  if (tail === undefined || head.length + tail.length > 7) return undefined
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

// Colon-separated groups; the last may be a dotted IPv4 address when `mayEndDotted`.
function groupsOf(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    const group = groupOf(part)
    if (group >= 0) {
      groups.push(group)
      continue
    }
    const dotted = mayEndDotted && index === parts.length - 1 ? ipv4Value(part) : undefined
    if (dotted === undefined) return undefined
    groups.push(dotted >>> 16, dotted & 0xffff)
  }
  return groups
}

// One to four hexadecimal digits; NaN when it is something else.
function groupOf(text: string): number {
  if (text.length === 0 || text.length > 4) return Number.NaN
  let group = 0
  for (let at = 0; at < text.length; at++) group = group * 16 + hexDigit(text, at)
  return group
}

function longestZeros(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue
    if (i - start > best.length) best = { start, length: i - start }
    start = i + 1
  }
  return best
}

// ---- either family

/** The version of the Internet Protocol. */
export type Family = 4 | 6

/** An address of either version. */
export interface Ip {
  readonly family: Family
  /** Four words, the first the highest; of IPv4 the last alone is used. */
  readonly words: Int32Array
}

/** The words keep the host bits as written: `10.0.0.1/24` is an interface's address as well. */
export interface Prefix extends Ip {
  /** Bits of the network part: 0 to 32, or to 128. */
  readonly length: number
}

/** Reads an address of either version. Throws INVALID. */
export function parseIp(text: string): Ip {
  const words = new Int32Array(4)
  if (text.includes(':')) {
    parseIpv6(text, words, 0)
    return { family: 6, words }
  }
  const value = ipv4Value(text)
  if (value === undefined) throw wrong(text, 'an IPv4 or IPv6 address')
  words[3] = value
  return { family: 4, words }
}

/** The text of an address: dotted decimal, or RFC 5952. */
export const formatIp = (ip: Ip): string =>
  ip.family === 4 ? formatIpv4(ip.words[3]!) : formatIpv6(ip.words, 0)

/** Reads an address, a slash and a length. Throws INVALID. */
export function parsePrefix(text: string): Prefix {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text)
  if (match === null) throw wrong(text, 'a prefix such as 10.0.0.0/24 or 2001:db8::/64')
  const { family, words } = parseIp(match[1]!)
  const length = Number(match[2])
  const max = bitsOf(family)
  if (length > max) throw wrong(text, `a prefix length from 0 to ${max}`)
  return { family, words, length }
}

/** An address, or a network of any length. */
export function parseNetwork(text: string): Prefix {
  if (text.includes('/')) return parsePrefix(text)
  const { family, words } = parseIp(text)
  return { family, words, length: bitsOf(family) }
}

/** `10.0.0.0/24`; host bits are kept. */
export const formatPrefix = (prefix: Prefix): string => `${formatIp(prefix)}/${prefix.length}`

/** An int32 whose first `bits` bits are set; fewer than 0 count as 0, more than 32 as 32. */
export function maskWord(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? -1 : -1 << (32 - bits)
}

/** The prefix with its host bits cleared. */
export function networkOf(prefix: Prefix): Prefix {
  const words = prefix.words.map((word, i) => word & maskWord(wordBits(prefix, i)))
  return { family: prefix.family, words, length: prefix.length }
}

/** Whether the address is of the prefix's version and within it. */
export function prefixContains(prefix: Prefix, ip: Ip): boolean {
  if (prefix.family !== ip.family) return false
  for (let i = 0; i < 4; i++) {
    const difference = prefix.words[i]! ^ ip.words[i]!
    if ((difference & maskWord(wordBits(prefix, i))) !== 0) return false
  }
  return true
}

const bitsOf = (family: Family): number => (family === 4 ? 32 : 128)

// How many bits of word `i` the prefix covers; may lie outside 0..32, as `maskWord` allows.
const wordBits = (prefix: Prefix, i: number): number =>
  prefix.family === 4 ? (i === 3 ? prefix.length : 0) : prefix.length - 32 * i

// ---- multicast and addresses made of others

/** RFC 2464 §7: the low 32 bits of the group. Of one interface: neither a group nor nobody's. */
export const macIsStation = (mac: number): boolean => mac !== 0 && !macIsGroup(mac)

/** Of one node, here or anywhere: no group, nobody's, loopback or reserved address. */
export function isNode({ family, words }: Ip): boolean {
  const [w0, w1, w2, w3] = words as unknown as [number, number, number, number]
  if (family === 4) return ipv4IsUnicast(w3) && !ipv4IsLoopback(w3)
  return (
    !ipv6IsMulticast(w0) && !ipv6IsUnspecified(w0, w1, w2, w3) && !ipv6IsLoopback(w0, w1, w2, w3)
  )
}

/** Where a packet to an IPv6 group goes, by the group's last word (RFC 2464 §7). */
export const multicastMac6 = (word3: number): number => macFrom(0x3333, word3)

/** RFC 4291 §2.7.1: ff02::1:ff00:0/104 and the low 24 bits of the address asked for. */
export function solicitedNode(words: Int32Array): Int32Array {
  return Int32Array.of(0xff02_0000 | 0, 0, 1, 0xff00_0000 | (words[3]! & 0xff_ffff))
}

/** Fe80::/64 and the modified EUI-64 of the MAC (RFC 4291 appendix A). */
export function linkLocal(mac: number): Int32Array {
  const hi = macHi(mac)
  const lo = macLo(mac)
  const upper = ((hi ^ 0x0200) << 16) | ((lo >>> 16) & 0xff00) | 0xff
  return Int32Array.of(0xfe80_0000 | 0, 0, upper, 0xfe00_0000 | (lo & 0xff_ffff))
}

// Bad input may be of any length; an error message is not.
function wrong(value: string, expected: string): RangeError {
  const shown = value.length > 80 ? `${value.slice(0, 80)}…` : value
  return new RangeError(`"${shown}" is not valid: expected ${expected}`)
}
