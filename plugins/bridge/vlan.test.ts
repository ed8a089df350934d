// VLANs at a bridge: tags pass through plain ports, and come and go at access ports.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'
import bridge from './index.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const ALL = 'ff:ff:ff:ff:ff:ff'

const udp = (src: string, dst: string): PacketBuilder =>
  eth(src, dst).ipv4('10.0.0.1', '10.0.0.2').udp(1000, 2000)

const threePorts = (): Topology =>
  new Topology().bridge('br').edge('a', 'br').edge('b', 'br').edge('c', 'br')

const worldOf = ({ objects }: Topology): World => new World({ plugins: [bridge], objects })

const out = (world: World, port: string, frame: PacketBuilder): string[] =>
  world
    .exchange(port, frame.frame())
    .map(delivery => delivery.port)
    .sort()

const macs = (world: World, id = 'br'): Record<string, string> =>
  Object.fromEntries([...world.store.table(`mac/${id}`).values()].map(e => [e.key, e.value]))

describe('VLANs', () => {
  test('a plain bridge learns per VLAN and passes tags through', () => {
    const world = worldOf(threePorts())
    out(world, 'b', eth(B, ALL).vlan(7).payload(40))
    assert.deepEqual(macs(world), { [`7/${B}`]: 'b' })
    const tagged = eth(A, B).vlan(7).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2)
    const [delivery] = world.exchange('a', tagged.frame())
    assert.equal(delivery?.port, 'b')
    assert.deepEqual(delivery?.frame, tagged.frame())
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    assert.deepEqual(out(world, 'a', eth(A, B).vlan(8).payload(40)), ['b', 'c'])
  })

  // Two tenants' bridges on a trunk: t carries VLAN 10 of `red` and VLAN 20 of `blue`.
  const trunked = (): Topology => {
    const topology = new Topology().bridge('aware').edge('t', 'aware').edge('u', 'aware')
    for (const [name, vlan] of [
      ['red', 10],
      ['blue', 20]
    ] as const)
      topology
        .bridge(name)
        .edge(`${name}1`, name)
        .edge(`${name}2`, name)
        .link(`v-${name}`, { type: 'bridge', device: 'aware', vlan }, `w-${name}`, {
          type: 'bridge',
          device: name
        })
    return topology
  }
  const seen = (world: World, port: string, frame: PacketBuilder): string[] =>
    world
      .exchange(port, frame.frame())
      .map(({ port: at, frame: bytes }) => `${at} ${describeFrame(bytes).split(' ').slice(3, 5)}`)
      .sort()

  test('from an unaware bridge a frame is tagged on the trunks', () => {
    const world = worldOf(trunked())
    assert.deepEqual(seen(world, 'red1', udp(A, B)), [
      'red2 IPv4,10.0.0.1',
      't vlan,10',
      'u vlan,10'
    ])
  })

  test('from a trunk a tag is taken off on the way to its bridge only', () => {
    const world = worldOf(trunked())
    const frame = eth(A, B).vlan(20).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2)
    assert.deepEqual(seen(world, 't', frame), [
      'blue1 IPv4,10.0.0.1',
      'blue2 IPv4,10.0.0.1',
      'u vlan,20'
    ])
    assert.deepEqual(seen(world, 'blue1', udp(B, A)), ['t vlan,20'])
    assert.deepEqual(seen(world, 't', frame), ['blue1 IPv4,10.0.0.1'])
  })

  test('untagged frames and unknown VLANs stay between the trunks', () => {
    const world = worldOf(trunked())
    assert.deepEqual(out(world, 't', udp(A, B)), ['u'])
    assert.deepEqual(out(world, 't', eth(A, B).vlan(30).payload(40)), ['u'])
  })

  test('a frame with two tags cannot take a third', () => {
    const world = worldOf(trunked())
    assert.deepEqual(out(world, 'red1', eth(A, B).qinq(1).vlan(2).payload(40)), ['red2'])
    assert.deepEqual(macs(world, 'aware'), {})
  })

  test('an address that moves from one VLAN bridge to a trunk is followed', () => {
    const world = worldOf(trunked())
    out(world, 'red1', udp(B, ALL))
    assert.deepEqual(out(world, 't', eth(A, B).vlan(10).ipv4('1.1.1.1', '2.2.2.2')), ['red1'])
    out(world, 'u', eth(B, ALL).vlan(10).ipv4('2.2.2.2', '1.1.1.1'))
    assert.deepEqual(out(world, 't', eth(A, B).vlan(10).ipv4('1.1.1.1', '2.2.2.2')), ['u'])
  })

  test('an access port that changes its VLAN leaves the old one, and may come back', () => {
    const world = worldOf(threePorts())
    const setVlan = (vlan: number): void => {
      world.store.put('port', { ...world.store.get('port', 'b')!, vlan })
      world.settle()
    }
    const frame = eth(A, B).vlan(7).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2)
    setVlan(7)
    out(world, 'b', udp(B, ALL))
    assert.deepEqual(macs(world), { [`7/${B}`]: 'b' })
    assert.deepEqual(out(world, 'a', frame), ['b'])
    setVlan(8)
    assert.deepEqual(out(world, 'a', frame), [])
    assert.equal(world.counter('drop.bridge.other-vlan'), 1)
    setVlan(7)
    assert.deepEqual(out(world, 'a', frame), ['b'])
  })
})
