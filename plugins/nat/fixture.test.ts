// A chain in and a chain out of one router, after MidoNet's fixture: machines 10.0.0.1-5 behind it,
// the public addresses 180.0.1.x before it.  Packets, their answers, errors about them, and what a
// checker of checksums says.

import assert from 'node:assert/strict'
import { extract } from '../../src/flow/extract.ts'
import { FlowKey, Word } from '../../src/flow/key.ts'
import type { Plugin } from '../../src/plugin.ts'
import { formatIp, parseIp } from '../../src/wire/address.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { l4Valid } from '../../src/wire/checksum.ts'
import { icmpError } from '../../src/wire/errors.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as icmpv6 from '../../src/wire/icmpv6.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as ipv6 from '../../src/wire/ipv6.ts'
import { newQuoted, readQuoted } from '../../src/wire/quoted.ts'
import { type BenchOptions, FilterBench } from '../../test/world/filter.ts'
import { Topology } from '../../test/world/objects.ts'
import firewall from '../firewall/index.ts'
import nat from './index.ts'

export type RuleText = Record<string, unknown> & { readonly action: string }

export const natPlugins = [firewall, nat] as readonly Plugin[]

const DEFAULTS = { settings: { nat: { blockIdleMs: 300_000 } } }

/** Chains `in` and `out` with these rules. */
export function benchOf(
  inward: readonly RuleText[],
  outward: readonly RuleText[],
  options: BenchOptions = {}
): FilterBench {
  const topology = new Topology()
  for (const [name, rules] of Object.entries({ in: inward, out: outward })) {
    topology.add('chain', name, { name })
    for (const [i, { action, ...fields }] of rules.entries())
      topology.rule(name, i + 1, action, fields)
  }
  return new FilterBench(natPlugins, topology.objects, { ...DEFAULTS, ...options })
}

export interface Flow {
  readonly protocol: 'tcp' | 'udp' | 'ping' | 'gre'
  readonly src: string
  readonly sport: number // ping: the id
  readonly dst: string
  readonly dport: number
}

const MAC_A = '02:00:00:00:00:0a'
const MAC_B = '02:00:00:00:00:0b'
const FLAGS = { syn: 2, ack: 16, rst: 4, fin: 1 }

export interface PacketOptions {
  readonly flags?: keyof typeof FLAGS
  readonly reply?: boolean // of a ping
  readonly payload?: string
}

export function build(
  flow: Flow,
  { flags = 'ack', reply, payload = 'payload' }: PacketOptions = {}
) {
  const { protocol, src, dst, sport, dport } = flow
  const isV6 = src.includes(':')
  const ip = isV6 ? eth(MAC_A, MAC_B).ipv6(src, dst) : eth(MAC_A, MAC_B).ipv4(src, dst)
  const body = (): PacketBuilder => {
    switch (protocol) {
      case 'tcp':
        return ip.tcp(sport, dport, { flags: FLAGS[flags] })
      case 'udp':
        return ip.udp(sport, dport)
      case 'ping':
        return isV6
          ? ip.icmpv6Echo(sport, 1, { reply: reply ?? false })
          : ip.icmpEcho(sport, 1, { reply: reply ?? false })
      case 'gre':
        return ip.gre()
    }
  }
  return body().payload(payload)
}

export const packet = (flow: Flow, options?: PacketOptions): Uint8Array =>
  build(flow, options).frame()

/** What the key of a frame says. */
export function flowOf(frame: Uint8Array): Flow {
  const key = new FlowKey()
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  assert.ok(extract(key.words, 0, 0, 0, 0, view, 0, frame.length))
  const family = key.ethType === 0x0800 ? 4 : 6
  const ip = (at: number): string => formatIp({ family, words: key.words.slice(at, at + 4) })
  const isPing = key.ipProto === 1 || key.ipProto === 58
  const names: Record<number, Flow['protocol']> = { 6: 'tcp', 17: 'udp', 1: 'ping', 58: 'ping' }
  return {
    protocol: names[key.ipProto] ?? 'gre',
    src: ip(Word.ipSrc),
    dst: ip(Word.ipDst),
    sport: isPing ? key.icmpId : key.l4Src,
    dport: isPing ? key.icmpId : key.l4Dst
  }
}

export const mirrored = (flow: Flow): Flow => ({
  ...flow,
  src: flow.dst,
  dst: flow.src,
  sport: flow.dport,
  dport: flow.sport
})

/** The answer to a frame, as its receiver sends it. */
export const answer = (frame: Uint8Array, options: PacketOptions = {}): Uint8Array =>
  packet(mirrored(flowOf(frame)), { reply: true, ...options })

/** An ICMP error about a frame, from its receiver or from a router on the way. */
export function errorAbout(frame: Uint8Array, from = flowOf(frame).dst): Uint8Array {
  const { family, words } = parseIp(from)
  const type = family === 4 ? icmp.Type.unreachable : icmpv6.Type.unreachable
  const fields = {
    type,
    code: family === 4 ? 3 : 4,
    param: 0,
    src: words,
    srcMac: 0x02_00_00_00_00_0c
  }
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const error = icmpError(fields, view, 0, frame.length)
  assert.ok(error !== undefined, 'an error about this packet would be wrong')
  return error
}

/** The two ends of the packet that an error quotes. */
export function quotedFlow(frame: Uint8Array): Flow {
  const quote = newQuoted()
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  assert.ok(readQuoted(view, 0, frame.length, quote))
  const ip = (words: Int32Array): string => formatIp({ family: quote.family, words })
  const names: Record<number, Flow['protocol']> = { 6: 'tcp', 17: 'udp', 1: 'ping', 58: 'ping' }
  return {
    protocol: names[quote.protocol] ?? 'gre',
    src: ip(quote.src),
    dst: ip(quote.dst),
    sport: quote.ports >>> 16,
    dport: quote.ports & 0xffff
  }
}

/** Every checksum of the frame is what it should be, the quoted ones too where they can be told. */
export function assertSound(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const isV4 = view.getUint16(12) === 0x0800
  if (isV4)
    assert.ok(ipv4.fits(view, 14, frame.length) && ipv4.checksumValid(view, 14), 'IP header')
  const isFragment = isV4 ? ipv4.isFragment(view, 14) : hasFragmentHeader(view, frame.length)
  if (isFragment) return
  const protocol = isV4 ? ipv4.protocol(view, 14) : ipv6.nextHeader(view, 14)
  const l4 = isV4 ? ipv4.payload(view, 14) : 14 + ipv6.LENGTH
  const end = isV4 ? ipv4.payloadEnd(view, 14) : ipv6.payloadEnd(view, 14)
  assert.ok(l4Valid(view, 14, l4, end, protocol), 'layer 4')
}

function hasFragmentHeader(view: DataView, end: number): boolean {
  return ipv6.fits(view, 14, end) && ipv6.walk(view, 14, end) && ipv6.walkedFragment()
}

/** What a chain makes of a frame; it has to let it pass. */
export function passed(bench: FilterBench, chain: string, frame: Uint8Array): Uint8Array {
  const out = bench.pass(chain, frame)
  assert.ok(out !== undefined, `${chain}: ${bench.ctx.outcome.dropReason}`)
  assertSound(out)
  return out
}

// The whole quoted packet, checksums and all, is what was sent.
export function assertSameQuote(error: Uint8Array, sent: Uint8Array): void {
  const quoted = error.subarray(error[12] === 0x86 ? 14 + 40 + 8 : 14 + 20 + 8)
  assert.deepEqual([...quoted], [...sent.subarray(14, 14 + quoted.length)])
}
