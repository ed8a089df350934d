// What holds for every network of bridges: floods reach whom they should, caching changes nothing,
// and many hosts do as one would.  Random trees of bridges with VLANs, filters, ports that are
// down, few addresses and little room to remember them.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { formatMac } from '../../src/wire/address.ts'
import { arpRequest, eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import { casesOf } from '../../test/cases.ts'
import { Topology } from '../../test/world/objects.ts'
import { World, type WorldOptions } from '../../test/world/world.ts'
import firewall from '../firewall/index.ts'
import bridge from './index.ts'

const RUNS = { numRuns: casesOf(150), seed: 11 }
const BRIDGES_MAX = 3
const GROUPS = ['ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:05', '33:33:00:00:00:01']

const vlan = fc.constantFrom(0, 0, 0, 10, 20)
const site = fc.record({
  // Bridge i + 1 hangs on an earlier one; with a VLAN, on an access port of it.
  links: fc.array(fc.record({ to: fc.nat(BRIDGES_MAX), vlan }), { maxLength: BRIDGES_MAX - 1 }),
  edges: fc.array(
    fc.record({ bridge: fc.nat(BRIDGES_MAX), host: fc.nat(2), up: fc.boolean(), vlan }),
    { minLength: 3, maxLength: 5 }
  ),
  inFilter: fc.boolean(),
  outFilter: fc.boolean()
})
type Site = typeof site extends fc.Arbitrary<infer T> ? T : never

const frame = fc.record({
  event: fc.constant('frame' as const),
  port: fc.nat(4),
  src: fc.nat(2),
  dst: fc.constantFrom(0, 1, 2, 4, 5),
  vlan: fc.constantFrom(0, 0, 0, 0, 0, 10, 20),
  kind: fc.constantFrom('udp', 'udp', 'udp', 'tcp', 'arp', 'garp')
})
const change = fc.record({
  event: fc.constantFrom('port' as const, 'bridge' as const, 'filter' as const, 'vlan' as const),
  port: fc.nat(4)
})
const step = fc.oneof({ weight: 10, arbitrary: frame }, { weight: 1, arbitrary: change })
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function worldOf(h: Site, macsMax: number, hosts: number, cache: boolean): World {
  const topology = new Topology()
  const bridges = h.links.length + 1
  const filters = {
    macsMax,
    ...(h.inFilter ? { inFilter: 'in' } : {}),
    ...(h.outFilter ? { outFilter: 'out' } : {})
  }
  for (let i = 0; i < bridges; i++) topology.bridge(`br${i}`, i === 0 ? filters : { macsMax })
  for (const [i, { to, vlan }] of h.links.entries())
    topology.link(
      `down${i}`,
      { type: 'bridge', device: `br${to % (i + 1)}`, ...withVlan(vlan) },
      `up${i}`,
      { type: 'bridge', device: `br${i + 1}` }
    )
  for (const [i, { bridge, host, up, vlan }] of h.edges.entries())
    topology.edge(`p${i}`, `br${bridge % bridges}`, `h${host % hosts}`, {
      adminStateUp: up || i < 2,
      ...withVlan(vlan)
    })
  topology
    .add('chain', 'in', { name: 'in' })
    .rule('in', 1, 'drop', { protocol: 'tcp', ethSrc: mac(1) })
    .add('chain', 'out', { name: 'out' })
    .rule('out', 1, 'drop', { outPorts: ['p0', 'down0'], protocol: 'udp' })
  const options: WorldOptions = { plugins: [bridge, firewall], objects: topology.objects, cache }
  return new World(options)
}

const withVlan = (vlan: number): { vlan?: number } => (vlan === 0 ? {} : { vlan })
const mac = (i: number): string => formatMac(0x020000000000 + i)

function frameOf({ src, dst, vlan, kind }: Extract<Step, { event: 'frame' }>): Uint8Array {
  const from = mac(src)
  if (kind === 'garp') return arpRequest(from, '10.0.0.9', '10.0.0.9').frame()
  if (kind === 'arp') return arpRequest(from, `10.0.0.${src}`, `10.0.0.${dst}`).frame()
  let builder: PacketBuilder = eth(from, GROUPS[dst - 4] ?? mac(dst))
  if (vlan !== 0) builder = builder.vlan(vlan)
  const ip = builder.ipv4(`10.0.0.${src}`, `10.0.0.${dst}`)
  return (kind === 'tcp' ? ip.tcp(1, 2) : ip.udp(1, 2)).frame()
}

// What came out because of it; changes bring nothing.
function play(world: World, h: Site, each: Step): string[] {
  const port = `p${each.port % h.edges.length}`
  if (each.event === 'frame')
    return world
      .exchange(port, frameOf(each))
      .map(delivery => `${delivery.port} ${describeFrame(delivery.frame)}`)
      .sort()
  const { store } = world
  const toggle = (kind: string, id: string): void => {
    const model = store.get(kind, id)!
    store.put(kind, { ...model, adminStateUp: model.adminStateUp === false })
  }
  if (each.event === 'port') toggle('port', port)
  if (each.event === 'bridge') toggle('bridge', store.get('port', port)!.device as string)
  if (each.event === 'vlan') {
    const { vlan, ...model } = store.get('port', port)!
    store.put('port', { ...model, id: port, ...withVlan(vlan === undefined ? 10 : 0) })
  }
  if (each.event === 'filter') {
    if (store.get('rule', 'out-2') !== undefined) store.delete('rule', 'out-2')
    else
      store.put('rule', { id: 'out-2', chain: 'out', position: 2, action: 'drop', ethDst: mac(0) })
  }
  world.settle()
  return []
}

function alike(h: Site, steps: readonly Step[], one: World, other: World): void {
  for (const [i, each] of steps.entries())
    assert.deepEqual(play(one, h, each), play(other, h, each), `step ${i}`)
}

const steps = fc.array(step, { minLength: 10, maxLength: 60, size: 'max' })

describe('laws of bridges', () => {
  test('the cache is transparent, also when addresses are evicted', () => {
    fc.assert(
      fc.property(site, steps, fc.constantFrom(2, 3, 8192), (h, list, max) =>
        alike(h, list, worldOf(h, max, 1, true), worldOf(h, max, 1, false))
      ),
      RUNS
    )
  })

  test('many hosts are one', () => {
    fc.assert(
      fc.property(site, steps, (h, list) =>
        alike(h, list, worldOf(h, 8192, 3, true), worldOf(h, 8192, 1, false))
      ),
      RUNS
    )
  })

  test('INV-11: a flood is the ports of the VLAN less the ingress and those that are down', () => {
    const ports = fc.array(fc.record({ up: fc.boolean(), vlan, host: fc.nat(2) }), {
      minLength: 1,
      maxLength: 8
    })
    fc.assert(
      fc.property(ports, vlan, (all, outer) => {
        const topology = new Topology().bridge('br')
        for (const [i, { up, vlan, host }] of all.entries())
          topology.edge(`p${i}`, 'br', `h${host}`, {
            adminStateUp: up || i === 0,
            ...withVlan(vlan)
          })
        const world = new World({ plugins: [bridge, firewall], objects: topology.objects })
        const builder = outer === 0 ? eth(mac(1), mac(2)) : eth(mac(1), mac(2)).vlan(outer)
        const came = world.exchange('p0', builder.payload(60).frame()).map(({ port }) => port)
        const inside = all[0]!.vlan === 0 ? outer : all[0]!.vlan
        const expected = all.flatMap(({ up, vlan }, i) =>
          i > 0 && up && (vlan === 0 || vlan === inside) ? [`p${i}`] : []
        )
        assert.deepEqual(came.sort(), expected)
      }),
      RUNS
    )
  })

  test('INV-11: a loop of bridges ends', () => {
    const side = (device: string): object => ({ type: 'bridge', device })
    const topology = new Topology().bridge('x').bridge('y').edge('a', 'x').edge('b', 'y')
    for (const i of [1, 2]) topology.link(`x${i}`, side('x') as never, `y${i}`, side('y') as never)
    const world = new World({ plugins: [bridge, firewall], objects: topology.objects })
    const came = world.exchange('a', eth(mac(1), GROUPS[0]!).payload(60).frame())
    assert.ok(came.length > 0 && came.length < 64)
  })
})
