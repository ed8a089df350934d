// What may be said of a secured port, what follows from it for others, and what a trace tells.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { trace } from '../../src/host/show/explain.ts'
import { arpRequest, eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'
import bridge from './index.ts'
import {
  A,
  ALL,
  ALL_NODES,
  ALLOWED,
  B,
  FRAMES,
  got,
  HONEST,
  ip,
  ip6,
  LINK_LOCAL,
  nd,
  OTHER,
  OVERRIDE,
  rawMac,
  secured,
  udp,
  worldOf
} from './secured.test.ts'

describe('C7: what else may be said of a port', () => {
  const dhcp = ip('10.0.0.5').udp(67, 68).payload(50)
  const ra = nd(LINK_LOCAL).icmpv6(134).payload(8)

  test('services name what it may answer', () => {
    for (const [services, answers] of [
      [[], [0, 0]],
      [['dhcp'], [FRAMES, 0]],
      [['ra'], [0, FRAMES]],
      [
        ['dhcp', 'ra'],
        [FRAMES, FRAMES]
      ]
    ] as const) {
      const fields = { allowedAddresses: ALLOWED, allowedServices: services }
      assert.deepEqual(
        [dhcp, ra].map(frame => got(worldOf(fields), frame)),
        answers
      )
      const guarded = worldOf({ allowedServices: services })
      assert.deepEqual(
        [dhcp, ra].map(frame => got(guarded, frame)),
        answers,
        'without addresses'
      )
      assert.equal(got(guarded, udp(ip('10.0.0.66', '10.0.0.9', OTHER))), FRAMES)
    }
  })

  test('a router that may advertise may not do so from every address', () => {
    const world = worldOf({ allowedAddresses: ALLOWED, allowedServices: ['ra'] })
    assert.equal(got(world, nd('fe80::1').icmpv6(134).payload(8)), 0)
  })

  test('an empty list lets nothing in', () => {
    const world = worldOf({ allowedAddresses: [] })
    for (const frame of Object.values(HONEST)) assert.equal(got(world, frame), 0)
  })

  test('a MAC without addresses may use any, and no other MAC', () => {
    const world = (): World => worldOf({ allowedAddresses: [{ mac: A }] })
    assert.equal(got(world(), udp(ip('10.0.0.66'))), FRAMES)
    assert.equal(got(world(), arpRequest(A, '10.0.0.1', '10.0.0.9')), FRAMES)
    assert.equal(
      got(world(), nd('fd00::66').na('fd00::1', { mac: rawMac(A), flags: OVERRIDE })),
      FRAMES
    )
    assert.equal(got(world(), udp(ip('10.0.0.66', '10.0.0.9', OTHER))), 0)
    assert.equal(got(world(), eth(A, B).arpReply(B, '10.0.0.1', B, '10.0.0.9')), 0)
    assert.equal(got(world(), nd('fd00::66').na('fd00::1', { mac: rawMac(B), flags: OVERRIDE })), 0)
  })

  test('a MAC with no addresses has but its link-local one', () => {
    const world = worldOf({ allowedAddresses: [{ mac: A, ips: [] }] })
    assert.equal(got(world, udp(ip('10.0.0.5'))), 0)
    assert.equal(got(world, udp(ip6(LINK_LOCAL))), FRAMES)
  })

  test('every address of a family is a network of length 0', () => {
    const world = worldOf({ allowedAddresses: [{ mac: A, ips: ['0.0.0.0/0'] }] })
    assert.equal(got(world, udp(ip('192.0.2.1'))), FRAMES)
    assert.equal(got(world, udp(ip6('fd00::5'))), 0)
  })

  test('it holds for what an interface brings, not for what a link does', () => {
    const topology = new Topology()
      .bridge('br')
      .edge('b', 'br')
      .bridge('far')
      .edge('a', 'far')
      .link('x', { type: 'bridge', device: 'br', allowedAddresses: [] }, 'y', {
        type: 'bridge',
        device: 'far'
      })
    const world = new World({ plugins: [bridge], objects: topology.objects })
    assert.equal(got(world, udp(ip('10.0.0.5'))), FRAMES)
  })

  test('a chain that accepts everything, or translates, does not help', () => {
    const world = worldOf({ allowedAddresses: ALLOWED, inFilter: 'c' }, topology =>
      topology.add('chain', 'c', { name: 'c' }).rule('c', 1, 'accept')
    )
    assert.equal(got(world, udp(ip('10.0.0.66'))), 0)
  })

  test('a change of the list holds for flows in use', () => {
    const world = secured()
    assert.equal(got(world, udp(ip('10.0.0.66'))), 0)
    const port = world.store.get('port', 'a')!
    world.store.put('port', { ...port, allowedAddresses: [{ mac: A, ips: ['10.0.0.66'] }] })
    world.settle()
    assert.equal(got(world, udp(ip('10.0.0.66'))), FRAMES)
    world.store.put('port', port)
    world.settle()
    assert.equal(got(world, udp(ip('10.0.0.66'))), 0)
  })

  test('an honest flow takes no forged packet along, nor the other way round', () => {
    const world = secured()
    const pairs: [PacketBuilder, PacketBuilder][] = [
      [udp(ip('10.0.0.5')), udp(ip('10.0.0.66'))],
      [udp(ip('10.0.0.5')), udp(ip('10.0.0.5', '10.0.0.9', B))],
      [udp(ip('10.0.1.1')), udp(ip('10.0.2.1'))],
      [udp(ip('10.0.1.255')), udp(ip('10.0.0.255'))],
      [udp(ip6('fd00::5')), udp(ip6('fd00::4'))],
      [udp(ip6('fd00:1::5')), udp(ip6('fd00:1:0:1::5'))],
      [udp(ip6(LINK_LOCAL)), udp(ip6('fe80::ff:fe00:b'))],
      [ip('10.0.0.5').udp(67, 67), dhcp],
      [ip('10.0.0.5').udp(67, 1092), dhcp],
      [ip6('fd00::5').udp(547, 1570), ip6('fd00::5').udp(547, 546)],
      [ip6('fd00::5').icmpv6(128), ip6('fd00::5').icmpv6(134)]
    ]
    for (let round = 0; round < 3; round++)
      for (const [honest, forged] of pairs) {
        assert.equal(got(world, honest), FRAMES)
        assert.equal(got(world, forged), 0)
      }
  })
})

describe('C7: others believe only what was let in', () => {
  test('the addresses of a secured port are learned at no other', () => {
    const world = secured()
    world.exchange('a', udp(ip('10.0.0.5')).frame())
    const learned = (): unknown => world.store.table('mac/br').get(A)?.value
    assert.equal(learned(), 'a')
    for (let i = 0; i < FRAMES; i++) world.exchange('c', eth(A, ALL, 0x88b5).payload(46).frame())
    assert.equal(learned(), 'a')
    const back = world.exchange('b', eth(B, A, 0x88b5).payload(46).frame())
    assert.deepEqual(
      back.map(({ port }) => port),
      ['a']
    )
  })

  test('a station that is listed at two ports may move between them', () => {
    const both = { allowedAddresses: ALLOWED }
    const topology = new Topology().bridge('br').edge('a', 'br', 'h1', both)
    topology.edge('b', 'br').edge('c', 'br', 'h1', both)
    const world = new World({ plugins: [bridge], objects: topology.objects })
    for (const port of ['a', 'c', 'a']) {
      world.exchange(port, arpRequest(A, '10.0.0.5', '10.0.0.5').frame())
      assert.equal(world.store.table('mac/br').get(A)?.value, port)
    }
  })

  test('an announcement moves no address that is listed elsewhere', () => {
    const world = secured()
    const table = world.hosts.get('h1')!.host.view.table('arp/br')
    for (const [address, mac] of [
      ['10.0.0.5', A],
      ['fd00::5', A],
      ['10.0.0.50', A]
    ] as const)
      table.put(address, mac)
    world.settle()
    const of = (address: string): unknown => world.store.table('arp/br').get(address)?.value
    world.exchange('c', arpRequest(B, '10.0.0.5', '10.0.0.5').frame())
    const na = eth(B, '33:33:00:00:00:01').ipv6('fd00::5', ALL_NODES, { hopLimit: 255 })
    world.exchange('c', na.na('fd00::5', { mac: rawMac(B), flags: OVERRIDE }).frame())
    world.exchange('c', arpRequest(B, '10.0.0.50', '10.0.0.50').frame())
    assert.deepEqual(['10.0.0.5', 'fd00::5', '10.0.0.50'].map(of), [A, A, B])
  })

  test('a bridge answers no question of who may not ask it', () => {
    const world = worldOf({ allowedAddresses: ALLOWED }, topology =>
      topology.router('r').uplink('r0', 'r', 'br', '02:00:00:00:00:01', ['10.0.0.254/24'])
    )
    const ask = (mac: string, from: string): number =>
      world.exchange('a', arpRequest(mac, from, '10.0.0.254').frame()).length
    assert.equal(ask(A, '10.0.0.5'), 1)
    assert.equal(ask(A, '10.0.0.9'), 0)
    assert.equal(ask(B, '10.0.0.9'), 0)
  })
})

test('C7: a trace says which port, what it tried, and what is allowed', async () => {
  const world = secured()
  world.exchange('a', udp(ip('10.0.0.5')).frame()) // what the walk needs is there
  const { host } = world.hosts.get('h1')!
  const lines = await trace(host, world.clock, 'a', udp(ip('10.0.0.66')).frame())
  assert.equal(lines.dropReason, 'bridge.port-security-ip')
  assert.deepEqual(lines.lines.slice(1), [
    '     port security of a: no IP from 10.0.0.66',
    '     allowed: 02:00:00:00:00:0a 10.0.0.5 10.0.1.0/24 fd00::5 fd00:1::/64; ' +
      '02:00:00:00:00:0f 10.0.0.100 fd00::100; services: none',
    'drop bridge.port-security-ip'
  ])
})
