// A router with three links and an uplink, all on one host: what a packet of a test goes through,
// in memory or in the kernel.  Each packet is sent twice, so that what a walk does to the first is
// what its flow does to the second.
//
//   r0 10.1.0.1 fd01::1 ─┐
//   r1 10.2.0.1 fd02::1 ─┼─ router ─ r3 198.51.100.1 2001:db8:1::1 ─ outside
//   r2 10.3.0.1 fd03::1 ─┘

import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { loadPlugins } from '../../src/agent/plugins.ts'
import { extract } from '../../src/flow/extract.ts'
import { FlowKey, Word } from '../../src/flow/key.ts'
import { formatIp, parseMac } from '../../src/wire/address.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { l4Valid } from '../../src/wire/checksum.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import { icmpError } from '../../src/wire/errors.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as ipv6 from '../../src/wire/ipv6.ts'
import * as layers from '../../src/wire/layers.ts'
import { Protocol } from '../../src/wire/protocol.ts'
import type { Ground } from '../oracle/stage.ts'
import { Topology } from '../world/objects.ts'
import { type Delivery, defaults, type WorldOptions } from '../world/world.ts'

export type Link = 'r0' | 'r1' | 'r2' | 'r3'
export type Rule = { readonly action: string } & Record<string, unknown>

/** Opens a world of these options: on memory, or on eBPF. */
export type Opener = (options: WorldOptions) => Ground

const LINKS: readonly Link[] = ['r0', 'r1', 'r2', 'r3']
const INTERFACES = { r0: 'eth-vm0', r1: 'eth-vm1', r2: 'eth-vm2', r3: 'eth-up0' } as const
const ADDRESSES = {
  r0: ['10.1.0.1/24', 'fd01::1/64'],
  r1: ['10.2.0.1/24', 'fd02::1/64'],
  r2: ['10.3.0.1/24', 'fd03::1/64'],
  r3: ['198.51.100.1/24', '2001:db8:1::1/64']
} as const
/** Whom the router knows on its links. */
const NEIGHBOURS = {
  r0: ['10.1.0.2', '10.1.0.5', '10.1.0.254', 'fd01::a', 'fd01::5', 'fd01::fe'],
  r1: ['10.2.0.2', '10.2.0.21', 'fd02::9', 'fd02::21'],
  r2: ['10.3.0.2', 'fd03::2'],
  r3: ['198.51.100.9', '198.51.100.33', '2001:db8:1::9', '2001:db8:1::33']
} as const

export const routerMac = (link: Link): string => `0a:00:00:00:00:0${link[1]}`
export const hostMac = (link: Link): string => `02:00:00:00:01:0${link[1]}`

/** The beginning of a packet from somebody on a link. */
export const from = (link: Link): PacketBuilder => eth(hostMac(link), routerMac(link))

export const ip = (link: Link, src: string, dst: string): PacketBuilder =>
  src.includes(':') ? from(link).ipv6(src, dst) : from(link).ipv4(src, dst)

export interface SceneOptions {
  readonly inFilter?: readonly Rule[]
  readonly outFilter?: readonly Rule[]
  /** Chains at the ports: what comes in by a link, and what goes out by it. */
  readonly into?: Partial<Record<Link, readonly Rule[]>>
  readonly outOf?: Partial<Record<Link, readonly Rule[]>>
  readonly router?: Record<string, unknown>
  /** More than a router: pools, VIPs, chains to jump to. */
  readonly more?: (topology: Topology) => void
  readonly settings?: WorldOptions['settings']
}

const plugins = await loadPlugins()

// As many ICMP errors as there are reasons for.
const UNLIMITED = { router: { ...defaults.router, errorBurstMax: 1_000_000 } }

/** What came out: `r3: IPv4 10.1.0.2 > …`, one line a frame. */
export type Said = readonly string[]

export class Scene {
  readonly world: Ground

  constructor(open: Opener, options: SceneOptions = {}) {
    const { objects } = topologyOf(options)
    this.world = open({ plugins, objects, settings: { ...UNLIMITED, ...options.settings } })
    for (const link of LINKS)
      for (const each of NEIGHBOURS[link])
        this.world.store.tablePut(`neighbour/${link}`, each, `${hostMac(link)} 0`, 'test')
    this.world.settle(5)
  }

  close(): void {
    this.world.close?.()
  }

  /** Sends a frame once. */
  once(link: Link, frame: Uint8Array | PacketBuilder): Delivery[] {
    const bytes = frame instanceof Uint8Array ? frame : frame.frame()
    this.world.delivered.length = 0
    this.world.send(link, bytes)
    this.world.settle(2)
    return this.world.delivered.splice(0)
  }

  /** Sends a frame twice: the same has to come of it. */
  send(link: Link, frame: Uint8Array | PacketBuilder): Delivery[] {
    const first = this.once(link, frame)
    const again = this.once(link, frame)
    assert.deepEqual(again.map(told), first.map(told), 'the second packet fares like the first')
    return first
  }

  /** The one frame that comes of it, which comes out by this link. */
  one(link: Link, frame: Uint8Array | PacketBuilder, out: Link): Uint8Array {
    const all = this.send(link, frame)
    assert.equal(all.length, 1, `one frame: ${all.map(told).join(' | ')}`)
    assert.equal(all[0]!.port, out, told(all[0]!))
    return all[0]!.frame
  }

  say(link: Link, frame: Uint8Array | PacketBuilder): Said {
    return this.send(link, frame).map(told)
  }

  drops(): Record<string, number> {
    const all: Record<string, number> = {}
    for (const { counters } of this.world.hosts.values())
      for (const [name, value] of Object.entries(counters.snapshot().counters))
        if (name.startsWith('drop.') && value > 0) all[name] = (all[name] ?? 0) + value
    return all
  }
}

/** A scene for the tests of a describe, one at a time: the kernel has room for no more. */
export function staged(open: Opener, options: SceneOptions = {}): () => Scene {
  let scene: Scene | undefined
  before(() => {
    scene = new Scene(open, options)
  })
  after(() => scene?.close())
  return () => scene!
}

export const told = ({ port, frame }: Delivery): string => `${port}: ${describeFrame(frame)}`

/** An ICMP error about a frame that came out at a link, by whoever is there. */
export function errorAbout(
  link: Link,
  frame: Uint8Array,
  src: string,
  kind: readonly [type: number, code: number, param?: number] = src.includes(':') ? [1, 4] : [3, 3]
): Uint8Array {
  const [type, code, param] = kind
  const words = layers.wordsOf(src, src.includes(':') ? 6 : 4)
  const fields = { type, code, param, src: words, srcMac: parseMac(hostMac(link)) }
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const error = icmpError({ ...fields, dstMac: parseMac(routerMac(link)) }, view, 0, frame.length)
  assert.ok(error !== undefined)
  return error
}

function topologyOf({ inFilter, outFilter, into, outOf, router, more }: SceneOptions): Topology {
  const topology = new Topology()
  const chain = (id: string, rules: readonly Rule[] | undefined): string | undefined => {
    if (rules === undefined) return undefined
    topology.add('chain', id, { name: id })
    for (const [i, { action, ...fields }] of rules.entries())
      topology.rule(id, i + 1, action, fields)
    return id
  }
  const given = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  const filters = { inFilter: chain('in', inFilter), outFilter: chain('out', outFilter) }
  topology.router('r', given({ ...filters, ...router }))
  for (const link of LINKS) {
    const chains = {
      inFilter: chain(`into-${link}`, into?.[link]),
      outFilter: chain(`out-of-${link}`, outOf?.[link])
    }
    const place = { mac: routerMac(link), addresses: ADDRESSES[link] }
    topology.bound(link, 'router', 'r', 'h0', {
      ...given(chains),
      ...place,
      interface: INTERFACES[link]
    })
  }
  more?.(topology)
  return topology
}

export interface Ends {
  readonly src: string
  readonly sport: number
  readonly dst: string
  readonly dport: number
}

export const mirrored = ({ src, sport, dst, dport }: Ends): Ends => ({
  ...{ src: dst, sport: dport, dst: src, dport: sport }
})

/** What the key of a frame says; of a ping the id at both ends. */
export function endsOf(frame: Uint8Array): Ends {
  const key = new FlowKey()
  assert.ok(extract(key.words, 0, 0, 0, 0, viewOf(frame), 0, frame.length))
  const family = key.ethType === ethernet.Type.ipv4 ? 4 : 6
  const text = (at: number): string => formatIp({ family, words: key.words.slice(at, at + 4) })
  const isIcmp = key.ipProto === Protocol.icmp || key.ipProto === Protocol.icmpv6
  return {
    src: text(Word.ipSrc),
    dst: text(Word.ipDst),
    sport: isIcmp ? key.icmpId : key.l4Src,
    dport: isIcmp ? key.icmpId : key.l4Dst
  }
}

const L3 = ethernet.LENGTH
const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)

/** The checksums of an unfragmented packet are true. */
export function assertSound(frame: Uint8Array): void {
  const view = viewOf(frame)
  if (view.getUint16(12) === ethernet.Type.ipv4) {
    assert.ok(ipv4.fits(view, L3, frame.length) && ipv4.checksumValid(view, L3), 'IP header')
    const protocol = ipv4.protocol(view, L3)
    const [l4, end] = [ipv4.payload(view, L3), ipv4.payloadEnd(view, L3)]
    return assert.ok(l4Valid(view, L3, l4, end, protocol), 'layer 4')
  }
  assert.ok(ipv6.fits(view, L3, frame.length) && ipv6.walk(view, L3, frame.length))
  const { l4, protocol } = ipv6.walked
  assert.ok(l4Valid(view, L3, l4, ipv6.payloadEnd(view, L3), protocol), 'layer 4')
}

/** An error quotes just what was sent, but for what hops change. */
export function assertQuotes(error: Uint8Array, sent: Uint8Array): void {
  const isV4 = error[12] === 0x08
  const quote = error.slice(L3 + (isV4 ? ipv4.LENGTH_MIN : ipv6.LENGTH) + icmp.LENGTH)
  const expected = sent.slice(L3, L3 + quote.length)
  for (const at of isV4 ? [8, 10, 11] : [7]) expected[at] = quote[at]!
  assert.deepEqual([...quote], [...expected], 'the quote is what was sent')
  const copy = Uint8Array.of(...new Uint8Array(L3), ...quote)
  if (isV4) assert.ok(ipv4.checksumValid(viewOf(copy), L3), 'the header that is quoted')
}
