// The packets of two who talk: what a frame says of both ends, what the other end answers, and an
// ICMP error about it.

import { extract } from '../../src/flow/extract.ts'
import { FlowKey, Word } from '../../src/flow/key.ts'
import { formatIp, parseIp, parseMac } from '../../src/wire/address.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { l4Valid } from '../../src/wire/checksum.ts'
import { icmpError } from '../../src/wire/errors.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as icmpv6 from '../../src/wire/icmpv6.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as ipv6 from '../../src/wire/ipv6.ts'
import { newQuoted, readQuoted } from '../../src/wire/quoted.ts'

export const TALKS = ['tcp', 'udp', 'ping'] as const

export interface Talk {
  readonly protocol: (typeof TALKS)[number]
  readonly src: string
  readonly sport: number // of a ping: its id
  readonly dst: string
  readonly dport: number
}

export interface Said {
  readonly text: string
  readonly flags?: string // TCP
  readonly reply?: boolean // of a ping
}

export interface Macs {
  readonly from: string
  readonly to: string
}

const PROTOCOLS: Readonly<Record<number, Talk['protocol']>> = {
  6: 'tcp',
  17: 'udp',
  1: 'ping',
  58: 'ping'
}

export function say(macs: Macs, talk: Talk, { text, flags = 'A', reply }: Said): Uint8Array {
  const { protocol, src, dst, sport, dport } = talk
  const l2 = eth(macs.from, macs.to)
  const isV6 = src.includes(':')
  const ip = isV6 ? l2.ipv6(src, dst) : l2.ipv4(src, dst)
  const body = (): PacketBuilder => {
    if (protocol === 'tcp') return ip.tcp(sport, dport, { flags })
    if (protocol === 'udp') return ip.udp(sport, dport)
    const options = { reply: reply ?? false }
    return isV6 ? ip.icmpv6Echo(sport, 1, options) : ip.icmpEcho(sport, 1, options)
  }
  return body().payload(text).frame()
}

export const mirrored = (talk: Talk): Talk => ({
  ...talk,
  src: talk.dst,
  dst: talk.src,
  sport: talk.dport,
  dport: talk.sport
})

const viewOf = (frame: Uint8Array): DataView =>
  new DataView(frame.buffer, frame.byteOffset, frame.length)

export function talkOf(frame: Uint8Array): Talk {
  const key = new FlowKey()
  extract(key.words, 0, 0, 0, 0, viewOf(frame), 0, frame.length)
  const family = key.ethType === ethernet.Type.ipv4 ? 4 : 6
  const ip = (at: number): string => formatIp({ family, words: key.words.slice(at, at + 4) })
  const protocol = PROTOCOLS[key.ipProto] ?? 'udp'
  const [sport, dport] = protocol === 'ping' ? [key.icmpId, key.icmpId] : [key.l4Src, key.l4Dst]
  return { protocol, src: ip(Word.ipSrc), dst: ip(Word.ipDst), sport, dport }
}

/** What a receiver makes of a frame: both ends, the payload, and whether it is whole. */
export function heard(frame: Uint8Array, length: number): string {
  const payload = new TextDecoder().decode(frame.subarray(frame.length - length))
  return `${readable(talkOf(frame))} "${payload}"${isSound(frame) ? '' : ' with a wrong checksum'}`
}

export const readable = ({ protocol, src, sport, dst, dport }: Talk): string =>
  `${protocol} ${src} ${sport} > ${dst} ${dport}`

function isSound(frame: Uint8Array): boolean {
  const view = viewOf(frame)
  const l3 = ethernet.LENGTH
  if (ethernet.type(view, 0) !== ethernet.Type.ipv4) {
    if (!ipv6.fits(view, l3, frame.length) || !ipv6.walk(view, l3, frame.length)) return false
    const { l4, protocol } = ipv6.walked
    return l4Valid(view, l3, l4, ipv6.payloadEnd(view, l3), protocol)
  }
  if (!ipv4.fits(view, l3, frame.length) || !ipv4.checksumValid(view, l3)) return false
  const [l4, end] = [ipv4.payload(view, l3), ipv4.payloadEnd(view, l3)]
  return l4Valid(view, l3, l4, end, ipv4.protocol(view, l3))
}

/** An ICMP error about a frame, from its receiver. */
export function errorAbout(frame: Uint8Array, { from, to }: Macs): Uint8Array {
  const { family, words } = parseIp(talkOf(frame).dst)
  const isV4 = family === 4
  const fields = {
    type: isV4 ? icmp.Type.unreachable : icmpv6.Type.unreachable,
    code: isV4 ? 3 : 4,
    src: words,
    srcMac: parseMac(from),
    dstMac: parseMac(to)
  }
  return icmpError(fields, viewOf(frame), 0, frame.length)!
}

/** Whom an error is from and for, and the packet that it quotes. */
export function quotedBy(frame: Uint8Array): string {
  const quote = newQuoted()
  if (!readQuoted(viewOf(frame), 0, frame.length, quote)) return 'no error'
  const ip = (words: Int32Array): string => formatIp({ family: quote.family, words })
  const { src, dst } = talkOf(frame)
  const talk = {
    protocol: PROTOCOLS[quote.protocol] ?? 'udp',
    src: ip(quote.src),
    dst: ip(quote.dst),
    sport: quote.ports >>> 16,
    dport: quote.ports & 0xffff
  }
  return `error ${src} > ${dst} about ${readable(talk)}${isSound(frame) ? '' : ', unsound'}`
}
