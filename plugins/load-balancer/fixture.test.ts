// A router with a load balancer: clients come by its uplink, three members stand behind it, one on
// each subnet.  VIPs are of 200.0.0.0/24 and 2001:db8:200::/64, where nobody else is.

import assert from 'node:assert/strict'
import type { Plugin } from '../../src/plugin.ts'
import { formatIp } from '../../src/wire/address.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import type { WorldObject } from '../../test/world/store.ts'
import type { Delivery } from '../../test/world/world.ts'
import {
  hostIp,
  hostIp6,
  hostMac,
  Lab,
  type LabOptions,
  type PortName,
  portMac,
  portObject,
  route,
  topology
} from '../router/fixture.test.ts'
import router from '../router/index.ts'
import loadBalancer from './index.ts'

export const VIP = '200.0.0.1'
export const VIP6 = '2001:db8:200::1'
export const CLIENT = '50.0.0.7'
export const CLIENT6 = '2001:db8:50::7'
export const MEMBERS = ['d1', 'd2', 'd3'] as const
export const plugins: Plugin[] = [router, loadBalancer]
const MEMBER_PORT = 8080

type Fields = Record<string, unknown>
const object = (kind: string, id: string, fields: Fields): WorldObject => ({
  kind,
  value: { id, ...fields }
})

export const member = (port: PortName, fields: Fields = {}): WorldObject =>
  object('pool-member', `m-${port}`, {
    pool: 'p',
    address: hostIp[port],
    port: MEMBER_PORT,
    ...fields
  })

export const vip = (fields: Fields = {}, id = 'v'): WorldObject =>
  object('vip', id, { pool: 'p', address: VIP, port: 80, ...fields })

export interface Balanced {
  readonly lb?: Fields
  readonly pool?: Fields
  readonly members?: readonly WorldObject[]
  readonly vips?: readonly WorldObject[]
  readonly more?: readonly WorldObject[]
}

export function balanced(of: Balanced = {}): WorldObject[] {
  const [, ...rest] = topology()
  return [
    object('router', 'r', { loadBalancer: 'lb' }),
    ...rest,
    route('nobody4', { destination: '200.0.0.0/24', type: 'blackhole' }),
    route('nobody6', { destination: '2001:db8:200::/64', type: 'blackhole' }),
    object('load-balancer', 'lb', of.lb ?? {}),
    object('pool', 'p', { loadBalancer: 'lb', ...of.pool }),
    ...(of.vips ?? [vip()]),
    ...(of.members ?? MEMBERS.map(port => member(port))),
    ...(of.more ?? [])
  ]
}

export interface Ask {
  readonly from?: string // client
  readonly to?: string
  readonly port?: number
  readonly flags?: string
  readonly udp?: boolean
}

export interface Given {
  readonly member: PortName
  readonly packet: Ends
}

/** What a delivered packet says of its ends. */
export interface Ends {
  readonly src: string
  readonly dst: string
  readonly sport: number
  readonly dport: number
}

export class BalancedLab extends Lab {
  constructor(of: Balanced = {}, options: LabOptions = {}) {
    super({ plugins, objects: balanced(of), ...options })
  }

  packet(sport: number, ask: Ask = {}): PacketBuilder {
    const { to = VIP, port = 80, flags = 'S', udp = false } = ask
    const isV6 = to.includes(':')
    const client = ask.from ?? (isV6 ? CLIENT6 : CLIENT)
    const l2 = eth(hostMac('up'), portMac('up'))
    const l3 = isV6 ? l2.ipv6(client, to) : l2.ipv4(client, to)
    return (udp ? l3.udp(sport, port) : l3.tcp(sport, port, { flags })).payload('x')
  }

  ping(to = VIP): PacketBuilder {
    const l2 = eth(hostMac('up'), portMac('up'))
    return to.includes(':')
      ? l2.ipv6(CLIENT6, to).icmpv6Echo(7, 1).payload('ping')
      : l2.ipv4(CLIENT, to).icmpEcho(7, 1).payload('ping')
  }

  /** Which member a client's packet came out at; undefined: at none. */
  try(sport: number, ask: Ask = {}): Given | undefined {
    const out = this.exchange('up', this.packet(sport, ask))
    assert.ok(out.length <= 1, `${out.length} packets came out`)
    const [first] = out
    if (first === undefined) return undefined
    return { member: first.port as PortName, packet: endsOf(first) }
  }

  /** As `try`, by name only: '' for none. */
  memberFor(sport: number, ask: Ask = {}): string {
    return this.try(sport, ask)?.member ?? ''
  }

  /** The member answers the packet it was given; what came out by the uplink. */
  answer({ member: at, packet }: Given, flags = 'SA', udp = false): Ends | undefined {
    const l2 = eth(hostMac(at), portMac(at))
    const { src, dst, sport, dport } = packet
    const l3 = dst.includes(':') ? l2.ipv6(dst, src) : l2.ipv4(dst, src)
    const l4 = udp ? l3.udp(dport, sport) : l3.tcp(dport, sport, { flags })
    const [out] = this.exchange(at, l4.payload('y'))
    if (out === undefined) return undefined
    assert.equal(out.port, 'up')
    return endsOf(out)
  }

  /** A whole handshake. */
  connect(sport: number, ask: Ask = {}): Given {
    const given = this.try(sport, ask)
    assert.ok(given !== undefined, 'no member took the connection')
    this.answer(given)
    assert.equal(this.memberFor(sport, { ...ask, flags: '.' }), given.member)
    return given
  }

  /** How many of so many new connections each member gets. */
  spread(count: number, ask: Ask = {}, first = 10_000): Record<string, number> {
    const counts: Record<string, number> = {}
    for (let i = 0; i < count; i++) {
      const name = this.memberFor(first + i, ask)
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }
}

export function endsOf({ frame }: Delivery): Ends {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const isV6 = view.getUint16(12) === 0x86dd
  const [at, size, l4] = isV6 ? [22, 16, 54] : [26, 4, 34]
  const ip = (o: number): string => {
    const words = new Int32Array(4)
    for (let i = 0; i < size / 4; i++) words[4 - size / 4 + i] = view.getInt32(o + 4 * i)
    return formatIp({ family: isV6 ? 6 : 4, words })
  }
  return {
    src: ip(at),
    dst: ip(at + size),
    sport: view.getUint16(l4),
    dport: view.getUint16(l4 + 2)
  }
}

export { hostIp, hostIp6, hostMac, portMac, portObject }
