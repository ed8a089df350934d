// A world in which cells are played: one place, every configuration in turn.  What goes in and what
// comes out is kept for the story that a red cell tells.

import bridge from '../../plugins/bridge/index.ts'
import firewall from '../../plugins/firewall/index.ts'
import balancer from '../../plugins/load-balancer/index.ts'
import nat from '../../plugins/nat/index.ts'
import router from '../../plugins/router/index.ts'
import type { Plugin } from '../../src/plugin.ts'
import type { Stored } from '../../src/topology/model.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import type { Ground } from '../oracle/stage.ts'
import { type Delivery, defaults, World, type WorldOptions } from '../world/world.ts'
import { type Bytes, type Family, frameBytes, ipBytes, type Packet, type Piece } from './bytes.ts'
import { type Direction, Flow, type Form, type Kind, TTL } from './flow.ts'
import {
  type Config,
  entryOf,
  hostOf,
  linkOf,
  MACHINES,
  type Machine,
  objectsOf,
  outside,
  type Place,
  PUBLIC,
  routerOf
} from './network.ts'
import { isChatter, read } from './read.ts'

const PLUGINS = [bridge, router, firewall, nat, balancer] as unknown as readonly Plugin[]
const CALM_MS = 300 // until hosts know each other
const SETTLE_MS = 3
const MTU = 1500
const UNDERLAY_WIDE = 1600
const VXLAN = 50
export const TUNNEL_MTU = MTU - VXLAN
const FIRST_PORT = 20_000
const PORTS = 40_000
// Errors are limited by a hash of their flow, which two cells may share.
const settings = { router: { ...defaults.router, errorBurstMax: 1_000_000 } }

export class Wrong extends Error {}

export type GroundOf = (options: WorldOptions) => Ground

export class Stage {
  readonly place: Place
  readonly story: string[] = []
  readonly #ground: Ground
  #config: Config | undefined
  #port = 0
  #narrow: Machine | undefined

  constructor(place: Place, ground: GroundOf = options => new World(options)) {
    this.place = place
    const objects = objectsOf(place)
    this.#ground = ground({ seed: 7, plugins: PLUGINS, objects, share: true, settings })
    for (const host of this.#ground.hosts.values())
      host.setUnderlayMtu(place === 'tunnel' ? MTU : UNDERLAY_WIDE)
    this.#ground.settle(CALM_MS)
    for (const m of MACHINES) this.#introduce(m, [m.ip, m.hop])
    this.#introduce(outside, [PUBLIC]) // what is not translated leaves, and waits for nobody
    this.#ground.settle(SETTLE_MS)
  }

  #introduce({ port, mac }: Machine, all: readonly Machine['ip'][]): void {
    for (const address of all.flatMap(each => [each[4], each[6]]))
      this.#ground.store.tablePut(`neighbour/${port}`, address, `${mac} 0`, 'test')
  }

  use(config: Config): void {
    if (this.#config === config) return
    this.#config = config
    this.#ground.store.put('router', routerOf(config) as Stored)
    this.#ground.settle(SETTLE_MS)
  }

  /** The wire of one machine takes less than those of the others. */
  narrow(machine: Machine | undefined, mtu = MTU): void {
    if (this.#narrow !== undefined) this.#setMtu(this.#narrow, MTU)
    if (machine !== undefined) this.#setMtu(machine, mtu)
    this.#narrow = machine
  }

  #setMtu(machine: Machine, mtu: number): void {
    this.#ground.hosts.get(hostOf(machine, this.place))!.setMtu(machine.interface, mtu)
    this.#ground.settle(SETTLE_MS)
  }

  close(): void {
    this.#ground.close?.()
  }

  // --- flows -------------------------------------------------------------------------------------

  flow(family: Family, kind: Kind): Flow {
    this.story.length = 0
    return new Flow(this.#config!, family, kind, FIRST_PORT + (this.#port++ % PORTS))
  }

  /** A flow that both ends have spoken in. */
  opened(family: Family, kind: Kind): Flow {
    const flow = this.flow(family, kind)
    this.carry(flow, 'request', { flags: 0x02 })
    this.carry(flow, 'response', { flags: 0x12 })
    return flow
  }

  /** A packet that has to arrive as the model says. */
  carry(flow: Flow, direction: Direction, form: Form = {}): void {
    const { from, to, sent, seen } = flow.way(direction)
    const out = this.send(from, [ipBytes(flow.packet(sent, direction, form))], 1)
    this.learn(flow, direction, out)
    this.expect(out, to, [ipBytes(flow.packet(seen, direction, { ttl: TTL - 1, ...form }))])
  }

  /** What the client's first packet was translated to. */
  learn(flow: Flow, direction: Direction, out: readonly Delivery[]): void {
    if (flow.isOpen || direction === 'response') return
    const frames = out
      .map(({ frame }) => read(frame as Bytes))
      .filter(each => typeof each !== 'string')
    const first = frames.find(({ offset }) => offset === 0)
    const wrong = first === undefined ? undefined : flow.learn(first)
    flow.isOpen = first !== undefined
    if (wrong !== undefined) throw new Wrong(wrong)
  }

  // --- frames ------------------------------------------------------------------------------------

  /** Sends IP packets one after the other, and gives what came out. */
  send(from: Machine, packets: readonly Uint8Array[], expected: number): Delivery[] {
    const entry = entryOf(from, this.place)
    this.#ground.delivered.length = 0
    for (const ip of packets) {
      const frame = frameBytes(linkOf(from, this.place), ip)
      this.story.push(`  > ${entry} ${described(frame)}`)
      this.#ground.send(entry, frame)
    }
    return this.#collect(SETTLE_MS, expected)
  }

  /** What still comes out within a while. */
  wait(ms: number): Delivery[] {
    return this.#collect(ms, 0)
  }

  #collect(ms: number, expected: number): Delivery[] {
    this.#ground.settle(ms, expected)
    const out = this.#ground.delivered.splice(0).filter(({ frame }) => !isChatter(frame))
    for (const { port, frame } of out) this.story.push(`  < ${port} ${described(frame)}`)
    return out
  }

  /** Frames as the receiver has to see them, to the byte. */
  frame(to: Machine, ip: Uint8Array): Bytes {
    const { from, to: router, vlan } = linkOf(to, this.place)
    return frameBytes({ from: router, to: from, vlan }, ip)
  }

  /** These packets, no others; in this order where `isOrdered`. */
  expect(
    out: readonly Delivery[],
    to: Machine,
    packets: readonly Uint8Array[],
    isOrdered = true
  ): void {
    const port = entryOf(to, this.place)
    const right = packets.map(ip => `${port} ${hex(this.frame(to, ip))}`)
    const got = out.map(({ port: at, frame }) => `${at} ${hex(frame)}`)
    const isSame = isOrdered
      ? got.join() === right.join()
      : [...got].sort().join() === [...right].sort().join()
    if (isSame) return
    const what = got.length === 0 ? 'nothing comes out' : 'what comes out is not what is right'
    throw new Wrong([`${what}; right`, ...right.map(line), ...bytesOf(got, right)].join('\n'))
  }
}

export const piecesOf = (p: Packet, cut: readonly Piece[]): Bytes[] =>
  cut.map(piece => ipBytes(p, piece))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const described = (frame: Uint8Array): string => `${describeFrame(frame)} (${frame.length} bytes)`

function line(text: string): string {
  const [port, digits] = text.split(' ') as [string, string]
  return `  = ${port} ${described(Uint8Array.from(Buffer.from(digits, 'hex')))}`
}

// Of the first frame that differs, from where on.
function bytesOf(got: readonly string[], right: readonly string[]): string[] {
  const only = got.find(each => !right.includes(each))
  const missing = right.find(each => !got.includes(each))
  if (only === undefined || missing === undefined) return []
  const [a, b] = [only, missing].map(each => each.slice(each.indexOf(' ') + 1)) as [string, string]
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  const from = at & ~1
  const shown = (text: string): string => text.slice(from, from + 40) || '(its end)'
  return [`  from byte ${from / 2} on: ${shown(a)}`, `  right would be:   ${shown(b)}`]
}
