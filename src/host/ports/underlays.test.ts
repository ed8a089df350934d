// An uplink takes no tunnel's packet for a host of ours: the gateway that has it would forward it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import router from '../../../plugins/router/index.ts'
import { Topology } from '../../../test/world/objects.ts'
import { World } from '../../../test/world/world.ts'
import type { Plugin } from '../../plugin.ts'
import { eth, type PacketBuilder } from '../../wire/builder.ts'

const OUTSIDE = '02:00:00:00:00:99'
const MAC = '02:00:00:00:00:01'
const NEXT = '02:00:00:00:00:88'
const [MEMBER, SELF, STRANGER] = ['172.31.0.2', '172.31.0.1', '172.31.0.77']

// The world's underlay is 172.31.0.0/24; to it leads a route by the second uplink.
function gateway(): World {
  const topology = new Topology()
    .router('r')
    .bound('u0', 'router', 'r', 'h1', { mac: MAC, addresses: ['198.51.100.1/24'] })
    .bound('u1', 'router', 'r', 'h1', { mac: '02:00:00:00:00:02', addresses: ['172.31.0.254/24'] })
    .bound('u2', 'router', 'r', 'h2', { mac: '02:00:00:00:00:03', addresses: ['10.9.0.1/24'] })
  const plugins = [router] as unknown as readonly Plugin[]
  const world = new World({ plugins, objects: topology.objects })
  for (const ip of [MEMBER, SELF, STRANGER])
    world.exchange(
      'u1',
      eth(NEXT, 'ff:ff:ff:ff:ff:ff').arpRequest(NEXT, ip, '172.31.0.254').frame()
    )
  return world
}

const from = (dst: string): PacketBuilder => eth(OUTSIDE, MAC).ipv4('172.31.0.2', dst)
const passed = (world: World, frame: Uint8Array): number =>
  Array.from({ length: 5 }, () => world.exchange('u0', frame).length).reduce((a, b) => a + b)

describe('C8: towards the underlay from an uplink', () => {
  const inner = eth('02:00:00:00:00:0a', '02:00:00:00:00:0b').ipv4('10.0.0.1', '10.0.0.2').udp(1, 2)
  const tunnelled: Readonly<Record<string, (dst: string) => Uint8Array>> = {
    VXLAN: dst => from(dst).udp(50_000, 4789).vxlan(7).payload(inner.frame()).frame(),
    'VXLAN in a priority tag': dst =>
      eth(OUTSIDE, MAC)
        .vlan(0)
        .ipv4('172.31.0.2', dst)
        .udp(50_000, 4789)
        .vxlan(7)
        .payload(60)
        .frame(),
    'a later fragment of UDP': dst => from(dst).udp(1, 4789).payload(3000).fragments(1400)[1]!,
    GRE: dst => from(dst).gre().payload(inner.frame()).frame()
  }
  for (const [name, frame] of Object.entries(tunnelled))
    test(`${name} is dropped by name`, () => {
      for (const dst of [MEMBER, SELF]) {
        const world = gateway()
        assert.equal(passed(world, frame(dst)), 0, dst)
        assert.ok(world.counter('drop.agent.underlay-from-uplink') > 0)
      }
    })

  test('for others, and of other protocols, it goes its way', () => {
    const world = gateway()
    assert.equal(passed(world, tunnelled.VXLAN!(STRANGER)), 5)
    assert.equal(passed(world, from(MEMBER).udp(50_000, 53).frame()), 5)
    assert.equal(passed(world, from(MEMBER).tcp(50_000, 4789).frame()), 5)
    assert.equal(world.counter('drop.agent.underlay-from-uplink'), 0)
  })

  test('a host that joins is held from then on', () => {
    const world = gateway()
    const frame = tunnelled.VXLAN!('172.31.0.3')
    world.exchange(
      'u1',
      eth(NEXT, 'ff:ff:ff:ff:ff:ff').arpRequest(NEXT, '172.31.0.3', '172.31.0.254').frame()
    )
    assert.equal(passed(world, frame), 5)
    world.addHost('h3')
    world.settle()
    assert.equal(passed(world, frame), 0)
  })
})
