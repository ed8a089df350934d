// The network that the router's tests are about, after MidoNet's fixture: an uplink with a gateway,
// three down-links of both families, and a host on each.  All ports are bound to host h1, unless
// a test says otherwise.
//
//   gateway 180.0.1.1 ── up 180.0.1.2/24 ┐           ┌ d1 10.0.1.1/24 2001:db8:1::1/64 ── a
//                        2001:db8::2/64  ├── router ─┼ d2 10.0.2.1/24 2001:db8:2::1/64 ── b
//                                        ┘           └ d3 10.0.3.1/24 2001:db8:3::1/64 ── c

import { extract } from '../../src/flow/extract.ts'
import { FlowKey } from '../../src/flow/key.ts'
import type { Stored } from '../../src/topology/model.ts'
import { formatMac, parseMac } from '../../src/wire/address.ts'
import { arpRequest, eth, type PacketBuilder, solicit } from '../../src/wire/builder.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import type { WorldObject } from '../../test/world/store.ts'
import { type Delivery, World, type WorldOptions } from '../../test/world/world.ts'
import router from './index.ts'

export const PORTS = ['up', 'd1', 'd2', 'd3'] as const
export type PortName = (typeof PORTS)[number]

export const portMac = (port: PortName): string => `0a:00:00:00:01:0${PORTS.indexOf(port)}`
export const hostMac = (port: PortName): string => `0a:00:00:00:02:0${PORTS.indexOf(port)}`

// The host behind a port, and the port itself.
export const hostIp = { up: '180.0.1.1', d1: '10.0.1.10', d2: '10.0.2.10', d3: '10.0.3.10' }
export const portIp = { up: '180.0.1.2', d1: '10.0.1.1', d2: '10.0.2.1', d3: '10.0.3.1' }
export const hostIp6 = {
  up: '2001:db8::1',
  d1: '2001:db8:1::10',
  d2: '2001:db8:2::10',
  d3: '2001:db8:3::10'
}
export const portIp6 = {
  up: '2001:db8::2',
  d1: '2001:db8:1::1',
  d2: '2001:db8:2::1',
  d3: '2001:db8:3::1'
}

export const route = (id: string, fields: Record<string, unknown>): WorldObject => ({
  kind: 'route',
  value: { id, router: 'r', ...fields }
})

export const portObject = (port: PortName, fields: Record<string, unknown> = {}): WorldObject => ({
  kind: 'port',
  value: {
    id: port,
    type: 'router',
    device: 'r',
    number: 100 + PORTS.indexOf(port),
    mac: portMac(port),
    addresses: [`${portIp[port]}/24`, `${portIp6[port]}/64`],
    host: 'h1',
    interface: `if-${port}`,
    ...fields
  }
})

export const topology = (...more: WorldObject[]): WorldObject[] => [
  { kind: 'router', value: { id: 'r' } },
  ...PORTS.map(port => portObject(port)),
  route('default4', { destination: '0.0.0.0/0', port: 'up', gateway: hostIp.up, weight: 1 }),
  route('default6', { destination: '::/0', port: 'up', gateway: hostIp6.up, weight: 1 }),
  ...more
]

export interface LabOptions extends Partial<WorldOptions> {
  // Hosts that have announced themselves before the test begins.
  readonly knows?: readonly PortName[]
}

export class Lab {
  readonly world: World

  constructor({ knows = PORTS, ...options }: LabOptions = {}) {
    this.world = new World({ plugins: [router], objects: topology(), ...options })
    for (const port of knows) this.announce(port)
  }

  // The host behind the port says where it is, for both families.
  announce(port: PortName, mac = hostMac(port)): void {
    this.exchange(port, arpRequest(mac, hostIp[port], portIp[port]))
    this.exchange(port, solicit(mac, hostIp6[port], portIp6[port]))
  }

  exchange(port: string, packet: PacketBuilder | Uint8Array): Delivery[] {
    return this.world.exchange(port, packet instanceof Uint8Array ? packet : packet.frame())
  }

  // What came out where, as text.
  told(port: string, packet: PacketBuilder | Uint8Array): string[] {
    return this.exchange(port, packet).map(tell)
  }

  // Where it came out: 'd2', or '' for nowhere.
  exitOf(port: string, packet: PacketBuilder | Uint8Array): string {
    return this.exchange(port, packet)
      .map(delivery => delivery.port)
      .join()
  }

  put(kind: string, value: Stored): void {
    this.world.store.put(kind, value)
    this.world.settle()
  }

  add({ kind, value }: WorldObject): void {
    this.put(kind, value)
  }

  delete(kind: string, id: string): void {
    this.world.store.delete(kind, id)
    this.world.settle()
  }

  change(kind: string, id: string, fields: Record<string, unknown>): void {
    this.put(kind, { ...this.world.store.get(kind, id)!, ...fields })
  }

  drops(reason: string): number {
    return this.world.counter(`drop.${reason}`)
  }

  flows(host = 'h1'): number {
    return this.world.hosts.get(host)!.host.worker.cache.size
  }

  stale(): number {
    return this.world.counter('flows.stale')
  }
}

// A packet of the host behind `from`, for the router.
export const from = (port: PortName): PacketBuilder => eth(hostMac(port), portMac(port))

// UDP from the host behind a port to any address of its family.
export function udp(port: PortName, dst: string, sport = 1000, ttl = 8): PacketBuilder {
  const packet = dst.includes(':')
    ? from(port).ipv6(hostIp6[port], dst, { hopLimit: ttl })
    : from(port).ipv4(hostIp[port], dst, { ttl })
  return packet.udp(sport, 53).payload('payload')
}

export function ping(port: PortName, dst: string, id = 7): PacketBuilder {
  const packet = dst.includes(':')
    ? from(port).ipv6(hostIp6[port], dst).icmpv6Echo(id, 1)
    : from(port).ipv4(hostIp[port], dst).icmpEcho(id, 1)
  return packet.payload('ping')
}

export const tell = ({ port, frame }: Delivery): string => `${port}: ${describeFrame(frame)}`

export function keyOf(frame: Uint8Array): FlowKey {
  const key = new FlowKey()
  extract(key.words, 0, 0, 0, 0, new DataView(frame.buffer), 0, frame.length)
  return key
}

export { formatMac, parseMac }
