// A tag of VLAN 0 carries a priority and no VLAN (802.1Q §6.9.1): whatever is done with an untagged
// frame is done with it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { arpRequest, eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'
import firewall from '../firewall/index.ts'
import bridge from './index.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const ROUTER = '02:00:00:00:00:01'
const ALL = 'ff:ff:ff:ff:ff:ff'

type Tagging = (to: PacketBuilder) => PacketBuilder

const TAGGINGS: Readonly<Record<string, Tagging>> = {
  'a priority tag': to => to.vlan(0),
  'a priority tag of the highest class': to => to.vlan(0, 7),
  'a service tag of VLAN 0': to => to.qinq(0),
  'two priority tags': to => to.vlan(0).vlan(0),
  'two, one of them a service tag': to => to.qinq(0, 3).vlan(0, 5)
}

const worldOf = ({ objects }: Topology): World =>
  new World({ plugins: [bridge, firewall], objects })

const out = (world: World, port: string, frame: PacketBuilder): string[] =>
  world
    .exchange(port, frame.frame())
    .map(delivery => `${delivery.port}: ${describeFrame(delivery.frame)}`)
    .sort()

const udp = (from: PacketBuilder): PacketBuilder => from.ipv4('10.0.0.1', '10.0.0.2').udp(1, 2)

const two = (fields = {}): Topology =>
  new Topology().bridge('br', fields).edge('a', 'br').edge('b', 'br')

for (const [name, tagged] of Object.entries(TAGGINGS))
  describe(`C1: ${name} is none`, () => {
    test('it comes out untagged', () => {
      const world = worldOf(two())
      const expected = out(world, 'a', udp(eth(A, B)))
      assert.equal(expected.length, 1)
      for (let i = 0; i < 3; i++)
        assert.deepEqual(out(world, 'a', udp(tagged(eth(A, B)))), expected)
      assert.equal(world.store.table('mac/br').get(`02:00:00:00:00:0a`)?.value ?? 'a', 'a')
    })

    for (const filter of ['inFilter', 'outFilter'])
      test(`the ${filter} of a bridge sees it`, () => {
        const topology = two({ [filter]: 'c' })
          .add('chain', 'c', { name: 'c' })
          .rule('c', 1, 'drop', { protocol: 'udp' })
        const world = worldOf(topology)
        for (let i = 0; i < 50; i++) assert.deepEqual(out(world, 'a', udp(tagged(eth(A, B)))), [])
        assert.deepEqual(out(world, 'a', udp(tagged(eth(A, ALL)))), [])
      })

    test('a rule that asks for no VLAN takes it', () => {
      const topology = new Topology()
        .bridge('br')
        .edge('a', 'br', 'h1', { inFilter: 'c' })
        .edge('b', 'br')
        .add('chain', 'c', { name: 'c' })
        .rule('c', 1, 'accept', { noVlan: true })
        .rule('c', 2, 'drop')
      const world = worldOf(topology)
      assert.equal(out(world, 'a', udp(tagged(eth(A, B)))).length, 1)
      assert.equal(out(world, 'a', udp(eth(A, B).vlan(9))).length, 0)
    })

    test('an access port puts it into its VLAN', () => {
      const topology = new Topology()
        .bridge('br')
        .edge('a', 'br', 'h1', { vlan: 10 })
        .edge('b', 'br', 'h1', { vlan: 10 })
        .edge('other', 'br', 'h1', { vlan: 20 })
        .edge('trunk', 'br')
      const world = worldOf(topology)
      const ports = world.exchange('a', udp(tagged(eth(A, ALL))).frame())
      assert.deepEqual(ports.map(({ port }) => port).sort(), ['b', 'trunk'])
      const [b, trunk] = ports.sort((x, y) => (x.port < y.port ? -1 : 1))
      assert.deepEqual(b!.frame, udp(eth(A, ALL)).frame())
      assert.deepEqual(trunk!.frame, udp(eth(A, ALL).vlan(10)).frame())
    })

    test('behind it a VLAN is a VLAN, as if it stood alone', () => {
      const plain = (vid: number): string[] => {
        const world = worldOf(trunked())
        return out(world, 't', udp(eth(A, ALL).vlan(vid)))
      }
      const world = worldOf(trunked())
      assert.deepEqual(out(world, 't', udp(eth(A, ALL).vlan(0).vlan(10))), plain(10))
      assert.deepEqual(plain(10).length, 1)
    })

    test('the bridge answers ARP in it, for who asked', () => {
      const topology = two().uplink('r0', 'r', 'br', ROUTER, ['10.0.0.254/24'])
      const world = worldOf(topology)
      const ask = tagged(eth(A, ALL)).arpRequest(A, '10.0.0.1', '10.0.0.254')
      const answers = world.exchange('a', ask.frame())
      assert.deepEqual(
        answers.map(({ port }) => port),
        ['a']
      )
      const expected = worldOf(topology).exchange(
        'a',
        arpRequest(A, '10.0.0.1', '10.0.0.254').frame()
      )
      assert.deepEqual(answers, expected)
    })
  })

// t is a trunk, x of VLAN 10.
const trunked = (): Topology =>
  new Topology().bridge('br').edge('t', 'br').edge('x', 'br', 'h1', { vlan: 10 })

test('C1: a frame that has left its VLAN counts as untagged at the next device', () => {
  const topology = new Topology()
    .bridge('aware')
    .edge('t', 'aware')
    .bridge('red', { inFilter: 'c' })
    .edge('r1', 'red')
    .link('v', { type: 'bridge', device: 'aware', vlan: 10 }, 'w', {
      type: 'bridge',
      device: 'red'
    })
    .add('chain', 'c', { name: 'c' })
    .rule('c', 1, 'drop', { protocol: 'udp' })
  const world = worldOf(topology)
  assert.deepEqual(out(world, 't', udp(eth(A, ALL).vlan(10))), [])
  assert.deepEqual(out(world, 't', udp(eth(A, ALL).vlan(10).vlan(0))), [])
})

test('the bridge behind an access port answers who asked on the trunk', () => {
  const topology = new Topology()
    .bridge('aware')
    .edge('t', 'aware')
    .bridge('red')
    .edge('r1', 'red')
    .link('v', { type: 'bridge', device: 'aware', vlan: 10 }, 'w', {
      type: 'bridge',
      device: 'red'
    })
    .uplink('r0', 'r', 'red', ROUTER, ['10.0.0.254/24', 'fd00::1/64'])
  const world = worldOf(topology)
  const ask = eth(A, ALL).vlan(10).arpRequest(A, '10.0.0.1', '10.0.0.254')
  const [answer] = world.exchange('t', ask.frame())
  const arp = eth(ROUTER, A).vlan(10).arpReply(ROUTER, '10.0.0.254', A, '10.0.0.1')
  assert.deepEqual(answer?.frame, arp.frame())
})
