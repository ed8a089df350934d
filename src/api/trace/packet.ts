// A packet described in words, for traces:
//
//   tcp 10.0.1.5:1234 > 10.0.2.7:80 flags=syn        udp [fd00::1]:53 > [fd00::2]:53 len=100
//   icmp 10.0.1.5 > 10.0.2.7 ttl=5                   arp 10.0.1.5 > 10.0.1.1
//   icmp 10.0.2.7 > 10.0.1.5 type=reply id=3
//   icmp 10.0.2.1 > 10.0.1.5 type=time-exceeded about tcp 10.0.1.5:1234 > 10.0.2.7:80
//
// or as an object of the same fields: { protocol, from, to, src, dst, vlan, ttl, len, flags … }.
// An error names the word and what was expected in its place.

import type { Fault } from '../../topology/model.ts'
import {
  formatMac,
  type Ip,
  MAC_BROADCAST,
  macFrom,
  parseIp,
  parseMac
} from '../../wire/address.ts'
import { eth, type PacketBuilder, solicit } from '../../wire/builder.ts'
import * as icmp from '../../wire/icmp.ts'
import { Flag } from '../../wire/tcp.ts'
import { invalid } from '../http/refusal.ts'
import { isPlain } from '../rest/merge.ts'
import { codeOf, isError, TYPE_WORDS, typeOf } from './packet-icmp.ts'

const protocols = ['tcp', 'udp', 'icmp', 'arp', 'nd'] as const
type Protocol = (typeof protocols)[number]

/** One end of a described packet. */
export interface Endpoint {
  readonly ip: Ip
  /** Of the address alone. */
  readonly text: string
  /** Undefined: the protocol has none. */
  readonly port: number | undefined
}

/** A packet as it was described, complete. */
export interface Packet {
  readonly protocol: Protocol
  /** The sender. */
  readonly from: Endpoint
  /** The receiver. */
  readonly to: Endpoint
  /** MAC addresses. */
  readonly src: number | undefined
  /** Destination MAC; undefined: it is found out. */
  readonly dst: number | undefined
  /** VLAN id; undefined: no tag. */
  readonly vlan: number | undefined
  /** TTL or hop limit. */
  readonly ttl: number
  /** Bytes of payload. */
  readonly len: number
  /** TCP flags. */
  readonly flags: number
  /** Of ICMP. */
  readonly id: number
  /** Of ICMP. */
  readonly seq: number
  /** Of ICMP. */
  readonly type: number
  /** Of ICMP. */
  readonly code: number
  /** What an ICMP error quotes. */
  readonly about: Packet | undefined
}

const TTL = 64
const PAYLOAD_MAX = 9000 - 60
const TEXT_MAX = 1024

type Words = Readonly<Record<string, unknown>>

/** Reads a description; throws 400 with what was expected. */
export function parsePacket(description: unknown): Packet {
  return packetOf(described(description))
}

function described(description: unknown): Words {
  if (typeof description === 'string') return wordsOf(description)
  if (isPlain(description)) return description
  throw wrong('packet', description, 'text such as "icmp 10.0.1.5 > 10.0.2.7", or an object')
}

// ---- text into words

function wordsOf(text: string): Words {
  if (text.length > TEXT_MAX) throw wrong('packet', text, `at most ${TEXT_MAX} characters`)
  const [itself, about, ...more] = text.split(/\sabout\s/)
  if (more.length > 0) throw wrong('packet', text, '"about" once')
  const [protocol, from, arrow, to, ...options] = itself!.trim().split(/\s+/)
  const words = new Map<string, unknown>([['protocol', protocol]])
  if (arrow !== '>') throw wrong('packet', arrow ?? text, '">" between the two addresses')
  words.set('from', from).set('to', to)
  if (about !== undefined) words.set('about', about)
  for (const option of options) {
    const [, name, value] = /^([a-z]+)=(.+)$/i.exec(option) ?? []
    const known = name !== undefined && (Object.hasOwn(OPTIONS, name) || name === 'type')
    if (!known) throw wrong('packet', option, EXPECTED)
    if (words.has(name)) throw wrong(name, value, 'the option once')
    words.set(name, value)
  }
  return Object.fromEntries(words)
}

// ---- words into a packet

const OPTIONS = {
  src: macOf,
  dst: macOf,
  vlan: (name: string, value: unknown) => numberOf(name, value, 1, 4094),
  ttl: (name: string, value: unknown) => numberOf(name, value, 0, 255),
  len: (name: string, value: unknown) => numberOf(name, value, 0, PAYLOAD_MAX),
  flags: flagsOf,
  id: (name: string, value: unknown) => numberOf(name, value, 0, 0xffff),
  seq: (name: string, value: unknown) => numberOf(name, value, 0, 0xffff),
  code: (name: string, value: unknown) => numberOf(name, value, 0, 255)
} as const

const EXPECTED = `an option such as ttl=5; there are ${Object.keys(OPTIONS).join(', ')}, type`
const FIELDS = ['protocol', 'from', 'to', ...Object.keys(OPTIONS), 'type', 'about']

function packetOf(words: Words): Packet {
  for (const [name, value] of Object.entries(words))
    if (!FIELDS.includes(name))
      throw wrong(name, value, `no such field; there are ${FIELDS.join(', ')}`)
  const protocol = protocolOf(words.protocol)
  const from = endpointOf('from', words.from)
  const to = endpointOf('to', words.to)
  if (from.ip.family !== to.ip.family)
    throw wrong('to', to.text, `an IPv${from.ip.family} address, as ${from.text} is one`)
  checkFamily(protocol, from)
  checkPorts(protocol, from, to)
  const option = (name: keyof typeof OPTIONS): number | undefined =>
    words[name] === undefined ? undefined : OPTIONS[name](name, words[name])
  if (words.flags !== undefined && protocol !== 'tcp')
    throw wrong('flags', words.flags, `none: only tcp has flags, not ${protocol}`)
  for (const name of ['type', 'code', 'about'] as const)
    if (words[name] !== undefined && protocol !== 'icmp')
      throw wrong(name, words[name], `none: only icmp has one, not ${protocol}`)
  const about = words.about === undefined ? undefined : aboutOf(words.about, from)
  const type = messageOf(words.type, from, about)
  return {
    protocol,
    from,
    to,
    src: option('src'),
    dst: option('dst'),
    vlan: option('vlan'),
    ttl: option('ttl') ?? TTL,
    len: option('len') ?? 0,
    flags: option('flags') ?? Flag.syn,
    id: option('id') ?? 1,
    seq: option('seq') ?? 1,
    type,
    code: option('code') ?? codeOf(from.ip.family, type, words.type),
    about
  }
}

// Without a type: a question, or, about something, that it could not be delivered.
function messageOf(word: unknown, { ip }: Endpoint, about: Packet | undefined): number {
  const given = word ?? (about === undefined ? 'request' : 'unreachable')
  const named = typeof given === 'string' ? typeOf(ip.family, given) : undefined
  const type = named ?? numberOr(given)
  if (type === undefined)
    throw wrong('type', word, `a number, or one of ${TYPE_WORDS.join(', ')} of IPv${ip.family}`)
  if (about !== undefined && !isError(ip.family, type))
    throw wrong('about', word, `nothing: a message of type ${type} quotes no packet`)
  return type
}

const numberOr = (value: unknown): number | undefined =>
  /^(?:[01]?[0-9]{1,2}|2[0-4][0-9]|25[0-5])$/.test(String(value)) ? Number(value) : undefined

// The packet an error speaks of: its sender is who gets the error.
function aboutOf(description: unknown, from: Endpoint): Packet {
  const words = described(description)
  if (words.about !== undefined) throw wrong('about', words.about, 'a packet that is about none')
  const about = packetOf(words)
  if (about.from.ip.family !== from.ip.family)
    throw wrong('about', about.from.text, `an IPv${from.ip.family} packet`)
  if (about.protocol === 'arp' || about.protocol === 'nd')
    throw wrong('about', about.protocol, 'a packet of tcp, udp or icmp')
  return about
}

function protocolOf(word: unknown): Protocol {
  const found = protocols.find(protocol => protocol === word)
  if (found === undefined) throw wrong('protocol', word, `one of ${protocols.join(', ')}`)
  return found
}

const ADDRESS = 'an address such as 10.0.1.5, 10.0.1.5:80, fd00::1 or [fd00::1]:80'

function endpointOf(name: string, word: unknown): Endpoint {
  if (typeof word !== 'string') throw wrong(name, word, ADDRESS)
  const match = /^\[([^\]]+)\](?::(.+))?$/.exec(word) ?? /^([^:]+)(?::([^:]+))?$/.exec(word)
  const [, text = word, port] = match ?? []
  const ip = attempt(() => parseIp(text))
  if (ip === undefined) throw wrong(name, word, ADDRESS)
  return { ip, text, port: port === undefined ? undefined : portOf(name, word, port) }
}

function portOf(name: string, word: string, port: string): number {
  const value = /^[0-9]{1,5}$/.test(port) ? Number(port) : -1
  if (value >= 0 && value <= 0xffff) return value
  throw wrong(name, word, 'a port from 0 to 65535 behind the colon')
}

function checkFamily(protocol: Protocol, { ip, text }: Endpoint): void {
  if (protocol === 'arp' && ip.family === 6)
    throw wrong('protocol', protocol, `nd: ${text} is an IPv6 address`)
  if (protocol === 'nd' && ip.family === 4)
    throw wrong('protocol', protocol, `arp: ${text} is an IPv4 address`)
}

function checkPorts(protocol: Protocol, from: Endpoint, to: Endpoint): void {
  const has = protocol === 'tcp' || protocol === 'udp'
  const example = to.ip.family === 4 ? `${to.text}:80` : `[${to.text}]:80`
  if (has && to.port === undefined) throw wrong('to', to.text, `a port too, as in ${example}`)
  for (const [name, { port }] of Object.entries({ from, to }))
    if (!has && port !== undefined) throw wrong(name, port, `no port: ${protocol} has none`)
}

function macOf(name: string, value: unknown): number {
  const mac = typeof value === 'string' ? attempt(() => parseMac(value)) : undefined
  if (mac === undefined) throw wrong(name, value, 'a MAC address such as 02:00:00:00:00:01')
  return mac
}

function numberOf(name: string, value: unknown, min: number, max: number): number {
  const text = typeof value === 'number' ? String(value) : value
  const number = typeof text === 'string' && /^[0-9]{1,6}$/.test(text) ? Number(text) : -1
  if (number >= min && number <= max) return number
  throw wrong(name, value, `a whole number from ${min} to ${max}`)
}

function flagsOf(name: string, value: unknown): number {
  const words = typeof value === 'string' ? value.split(/[,+]/) : value
  const known = Object.keys(Flag).join(', ')
  if (!Array.isArray(words) || words.length > 8) throw wrong(name, value, `some of ${known}`)
  return words.reduce((flags: number, word: unknown) => {
    if (typeof word === 'string' && Object.hasOwn(Flag, word))
      return flags | Flag[word as keyof typeof Flag]
    throw wrong(name, word, `one of ${known}`)
  }, 0)
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}

const wrong = (field: string, value: unknown, expected: string): Error =>
  invalid([{ field, value, expected } satisfies Fault])

// ---- a packet into a frame

// Where a stack would let the kernel choose (RFC 6335: the dynamic ports begin here).
const SOURCE_PORT = 49_152

/** A described packet as bytes. */
export interface Built {
  /** The frame. */
  readonly frame: Uint8Array
  /** As options of the description. */
  readonly assumed: readonly string[]
}

/** `dst`: who takes the packet on this network, when the description names nobody. */
export function frameOf(packet: Packet, dst?: number): Built {
  const assumed: string[] = []
  const src = packet.src ?? madeUpMac(packet.from.ip)
  if (packet.src === undefined) assumed.push(`src=${formatMac(src)}`)
  if (packet.protocol === 'nd') {
    const asked = solicit(src, packet.from.text, packet.to.text)
    return { frame: asked.frame(), assumed }
  }
  const to = packet.dst ?? dstOf(packet, dst)
  if (packet.dst === undefined && packet.protocol !== 'arp') assumed.push(`dst=${formatMac(to)}`)
  const tagged = packet.vlan === undefined ? eth(src, to) : eth(src, to).vlan(packet.vlan)
  if (hasPorts(packet) && packet.from.port === undefined) assumed.push(`port ${SOURCE_PORT}`)
  return { frame: filled(tagged, packet, src).frame(), assumed }
}

const hasPorts = ({ protocol }: Packet): boolean => protocol === 'tcp' || protocol === 'udp'

const dstOf = ({ protocol, to }: Packet, known: number | undefined): number =>
  protocol === 'arp' ? MAC_BROADCAST : (known ?? madeUpMac(to.ip))

// One address, one MAC: 02:4d and the end of the address.
const madeUpMac = ({ words }: Ip): number => macFrom(0x024d, words[3]!)

function filled(start: PacketBuilder, packet: Packet, src: number): PacketBuilder {
  const { protocol, from, to, ttl, len, flags } = packet
  if (protocol === 'arp') return start.arpRequest(src, from.text, to.text)
  const is4 = from.ip.family === 4
  const ip = is4
    ? start.ipv4(from.text, to.text, { ttl })
    : start.ipv6(from.text, to.text, { hopLimit: ttl })
  const sourcePort = from.port ?? SOURCE_PORT
  const body = len === 0 ? (next: PacketBuilder) => next : (n: PacketBuilder) => n.payload(len)
  if (protocol === 'tcp') return body(ip.tcp(sourcePort, to.port ?? 0, { flags }))
  if (protocol === 'udp') return body(ip.udp(sourcePort, to.port ?? 0))
  return icmpOf(ip, packet, body)
}

function icmpOf(
  ip: PacketBuilder,
  { from, type, code, id, seq, about }: Packet,
  body: (next: PacketBuilder) => PacketBuilder
): PacketBuilder {
  const { family } = from.ip
  const rest = isError(family, type) ? 0 : icmp.echoRest(id, seq)
  const message = family === 4 ? ip.icmp(type, code, rest) : ip.icmpv6(type, code, rest)
  if (about === undefined) return body(message)
  const quoted = filled(eth(0, 0), about, 0).frame().subarray(FRAME_MIN)
  return message.payload(quoted.subarray(0, QUOTE_MAX))
}

// What an IPv4 router quotes at most (RFC 1812 §4.3.2.3).
const QUOTE_MAX = 548

// ---- bytes

const FRAME_MIN = 14
const FRAME_MAX = 9216

/** A frame in hexadecimal; spaces and colons between bytes are welcome. */
export function hexFrame(text: string): Uint8Array {
  const hex = text.length > 4 * FRAME_MAX ? '' : text.replace(/[\s:]/g, '')
  const length = hex.length / 2
  const good = /^[0-9a-f]+$/i.test(hex) && Number.isInteger(length)
  if (!good || length < FRAME_MIN || length > FRAME_MAX)
    throw wrong('frame', text, `${FRAME_MIN} to ${FRAME_MAX} bytes in hexadecimal`)
  return Uint8Array.from({ length }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
}
