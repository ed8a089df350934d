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
import { parseMac } from '../../src/wire/address.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import { icmpError } from '../../src/wire/errors.ts'
import * as layers from '../../src/wire/layers.ts'
import type { Ground } from '../oracle/stage.ts'
import { Topology } from '../world/objects.ts'
import type { Delivery, WorldOptions } from '../world/world.ts'

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

/** What came out: `r3: IPv4 10.1.0.2 > …`, one line a frame. */
export type Said = readonly string[]

export class Scene {
  readonly world: Ground

  constructor(open: Opener, options: SceneOptions = {}) {
    const { objects } = topologyOf(options)
    const { settings = {} } = options
    this.world = open({ plugins, objects, settings })
    for (const link of LINKS)
      for (const each of NEIGHBOURS[link])
        this.world.hub.tablePut(`neighbour/${link}`, each, `${hostMac(link)} 0`, 'test')
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
