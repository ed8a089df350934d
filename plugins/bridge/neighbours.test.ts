// ARP and neighbour discovery at a bridge: what it answers itself, what it floods and to whom,
// and what an announcement changes.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { definePlugin } from '../../src/plugin.ts'
import { arpRequest, eth, type PacketBuilder, solicit } from '../../src/wire/builder.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import { Flag } from '../../src/wire/nd.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'
import bridge from './index.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const C = '02:00:00:00:00:0c'
const X = '02:00:00:00:00:ee'
const ROUTER = '02:00:00:00:00:01'
const ALL = 'ff:ff:ff:ff:ff:ff'
const ALL_NODES = '33:33:00:00:00:01'

// A router that keeps what it gets and counts it.
function sink(): { plugin: ReturnType<typeof definePlugin>; heard: number } {
  const state = {
    heard: 0,
    plugin: definePlugin({
      name: 'sink',
      needs: {},
      setup(_, registry) {
        registry.device('router', {
          interests: () => [],
          make: id => ({
            id,
            update: () => [],
            process(ctx) {
              state.heard++
              return ctx.consume()
            }
          })
        })
        return undefined
      }
    })
  }
  return state
}

// Everything has been walked once, so nothing is waited for, and walked twice, any more.
function site(): { world: World; router: { heard: number } } {
  const { objects } = new Topology()
    .bridge('br')
    .edge('a', 'br')
    .edge('b', 'br')
    .edge('c', 'br', 'h2')
    .router('r')
    .uplink('r0', 'r', 'br', ROUTER, ['10.0.0.254/24', '2001:db8::fe/64'])
  const router = sink()
  const world = new World({ plugins: [bridge, router.plugin], objects })
  for (const port of ['a', 'c']) ports(world, port, arpRequest(X, '10.0.0.90', '10.0.0.91'))
  router.heard = 0
  return { world, router }
}

const seed = (world: World, ip: string, mac: string): void => {
  world.store.tablePut('arp/br', ip, mac, '')
  world.settle()
}
const seeded = (world: World, ip: string): string | undefined =>
  world.store.table('arp/br').get(ip)?.value

const exchange = (world: World, port: string, frame: PacketBuilder): string[] =>
  world
    .exchange(port, frame.frame())
    .map(delivery => `${delivery.port}: ${describeFrame(delivery.frame)}`)
    .sort()
const ports = (world: World, port: string, frame: PacketBuilder): string[] =>
  exchange(world, port, frame).map(line => line.charAt(0))

describe('ARP', () => {
  test("SB-06: a request for a router port's address is answered, and goes no further", () => {
    const { world, router } = site()
    const request = arpRequest(A, '10.0.0.1', '10.0.0.254')
    const reply = eth(ROUTER, A).arpReply(ROUTER, '10.0.0.254', A, '10.0.0.1').frame()
    for (let i = 0; i < 2; i++)
      assert.deepEqual(world.exchange('a', request.frame()), [{ port: 'a', frame: reply }])
    assert.equal(router.heard, 0)
    assert.equal(world.counter('bridge.neighbours-answered'), 2)
    assert.equal(world.store.table('mac/br').get(A)?.value, 'a')
  })

  test('SB-06: in a VLAN it is flooded', () => {
    const { world, router } = site()
    const request = eth(A, ALL).vlan(5).arpRequest(A, '10.0.0.1', '10.0.0.254')
    assert.deepEqual(ports(world, 'a', request), ['b', 'c'])
    assert.equal(router.heard, 0)
  })

  test('SB-07 SB-16: a request for a seeded address is answered untagged, flooded tagged', () => {
    const { world, router } = site()
    seed(world, '10.0.0.3', C)
    const reply = eth(C, A).arpReply(C, '10.0.0.3', A, '10.0.0.1').frame()
    const request = arpRequest(A, '10.0.0.1', '10.0.0.3').frame()
    assert.deepEqual(world.exchange('a', request), [{ port: 'a', frame: reply }])
    const tagged = eth(A, ALL).vlan(5).arpRequest(A, '10.0.0.1', '10.0.0.3')
    assert.deepEqual(ports(world, 'a', tagged), ['b', 'c'])
    assert.equal(router.heard, 0)
  })

  test('SB-08: a request for an unknown address is flooded, to routers too', () => {
    const { world, router } = site()
    assert.deepEqual(ports(world, 'a', arpRequest(A, '10.0.0.1', '10.0.0.9')), ['b', 'c'])
    assert.equal(router.heard, 1)
    assert.equal(world.store.table('mac/br').get(A)?.value, 'a')
  })

  test('a flooded request is answered once its address is seeded, or gets a router', () => {
    const { objects } = new Topology()
      .bridge('br')
      .edge('a', 'br')
      .edge('b', 'br')
      .uplink('r0', 'r', 'br', ROUTER, ['10.0.0.254/24'])
    const world = new World({ plugins: [bridge, sink().plugin], objects })
    world.store.put('port', { ...world.store.get('port', 'to-r0')!, peer: undefined })
    world.settle()
    for (const ip of ['10.0.0.9', '10.0.0.254'])
      assert.deepEqual(ports(world, 'a', arpRequest(A, '10.0.0.1', ip)), ['b'])
    seed(world, '10.0.0.9', C)
    world.store.put('port', { ...world.store.get('port', 'to-r0')!, peer: 'r0' })
    world.settle()
    for (const ip of ['10.0.0.9', '10.0.0.254'])
      assert.deepEqual(ports(world, 'a', arpRequest(A, '10.0.0.1', ip)), ['a'])
  })

  test('a host that probes for its own address is not told that it is taken', () => {
    const { world } = site()
    seed(world, '10.0.0.1', A)
    assert.deepEqual(ports(world, 'a', arpRequest(A, '0.0.0.0', '10.0.0.1')), ['b', 'c'])
    assert.deepEqual(ports(world, 'b', arpRequest(B, '0.0.0.0', '10.0.0.1')), ['b'])
  })

  test('GARP-01: an announcement moves an entry, on all hosts, and is flooded', () => {
    for (const frame of [
      arpRequest(B, '10.0.0.3', '10.0.0.3'),
      eth(B, ALL).arpReply(B, '10.0.0.3', B, '10.0.0.3')
    ]) {
      const { world, router } = site()
      seed(world, '10.0.0.3', C)
      for (let i = 1; i <= 3; i++) {
        assert.deepEqual(ports(world, 'b', frame), ['a', 'c'])
        assert.equal(router.heard, i) // each is heard: none becomes a flow
      }
      assert.equal(seeded(world, '10.0.0.3'), B)
      const [answer] = exchange(world, 'c', arpRequest(C, '10.0.0.7', '10.0.0.3'))
      assert.match(answer!, new RegExp(`^c: ${B} > ${C} `))
    }
  })

  test('an announcement adds nothing: packets cannot fill the table', () => {
    const { world } = site()
    assert.deepEqual(ports(world, 'b', arpRequest(B, '10.0.0.3', '10.0.0.3')), ['a', 'c'])
    assert.equal(seeded(world, '10.0.0.3'), undefined)
    assert.deepEqual(ports(world, 'b', arpRequest(B, '10.0.0.254', '10.0.0.254')), ['a', 'c'])
    assert.equal(seeded(world, '10.0.0.254'), undefined)
  })

  test('an entry that makes no sense is counted and ignored', () => {
    const { world } = site()
    ports(world, 'a', arpRequest(A, '10.0.0.1', '10.0.0.9'))
    seed(world, '10.0.0.999', C)
    seed(world, '10.0.0.9', C)
    assert.deepEqual(ports(world, 'a', arpRequest(A, '10.0.0.1', '10.0.0.9')), ['a'])
    seed(world, '10.0.0.9', 'nonsense')
    assert.equal(world.counter('bridge.bad-entries'), 4) // two hosts
    assert.deepEqual(ports(world, 'a', arpRequest(A, '10.0.0.1', '10.0.0.9')), ['b', 'c'])
  })
})

describe('neighbour discovery', () => {
  test("SB-06 in IPv6: a solicitation for a router port's address is answered", () => {
    const { world, router } = site()
    const answer = eth(ROUTER, A)
      .ipv6('2001:db8::fe', '2001:db8::1', { hopLimit: 255 })
      .na('2001:db8::fe', { flags: Flag.router | Flag.solicited | Flag.override, mac: ROUTER })
      .frame()
    const frame = solicit(A, '2001:db8::1', '2001:db8::fe').frame()
    assert.deepEqual(world.exchange('a', frame), [{ port: 'a', frame: answer }])
    assert.equal(router.heard, 0)
  })

  test('SB-07 in IPv6: a seeded address is answered, a probe for duplicates to all nodes', () => {
    const { world } = site()
    seed(world, '2001:db8::3', C)
    const na = (to: string, ip: string, flags: number): Uint8Array =>
      eth(C, to)
        .ipv6('2001:db8::3', ip, { hopLimit: 255 })
        .na('2001:db8::3', { flags, mac: C })
        .frame()
    assert.deepEqual(world.exchange('a', solicit(A, '2001:db8::1', '2001:db8::3').frame()), [
      { port: 'a', frame: na(A, '2001:db8::1', Flag.solicited | Flag.override) }
    ])
    assert.deepEqual(world.exchange('a', solicit(A, '::', '2001:db8::3').frame()), [
      { port: 'a', frame: na(ALL_NODES, 'ff02::1', Flag.override) }
    ])
    assert.deepEqual(ports(world, 'c', solicit(C, '::', '2001:db8::3')), ['a', 'b'])
  })

  test('B10: what a router would not believe or answer, a bridge does not', () => {
    const { world, router } = site()
    const group = 'ff02::1:ff00:fe'
    const ask = (src: string, dst = group, hopLimit = 255) =>
      eth(A, '33:33:ff:00:00:fe').ipv6(src, dst, { hopLimit })
    const questions = [
      ask('::').ns('2001:db8::fe', { mac: A }),
      ask('::', 'ff02::1').ns('2001:db8::fe'),
      ask('2001:db8::1', group, 254).ns('2001:db8::fe', { mac: A }),
      ask('2001:db8:5::1').ns('2001:db8::fe', { mac: A }),
      arpRequest(A, '10.7.0.1', '10.0.0.254'),
      eth(A, ALL).arp(1, ALL, '10.0.0.1', 0, '10.0.0.254'),
      eth(A, ALL).arp(1, 0, '10.0.0.1', 0, '10.0.0.254')
    ]
    for (const frame of questions) assert.deepEqual(ports(world, 'a', frame), ['b', 'c'])
    assert.equal(router.heard, questions.length)
    assert.deepEqual(ports(world, 'a', ask('::').ns('2001:db8::fe')), ['a'])
    assert.deepEqual(ports(world, 'a', ask('fe80::1').ns('2001:db8::fe', { mac: A })), ['a'])
  })

  test('B10: an announcement that a router would not believe moves nobody', () => {
    const { world } = site()
    seed(world, '2001:db8::3', C)
    seed(world, '10.0.0.3', C)
    const say = (dst: string, hopLimit = 255) =>
      eth(A, ALL_NODES).ipv6('2001:db8::3', dst, { hopLimit })
    const flags = Flag.override
    for (const frame of [
      say('ff02::1', 64).na('2001:db8::3', { flags, mac: A }),
      say('ff02::1').na('2001:db8::3', { flags: 0, mac: A }),
      say('ff02::1').na('2001:db8::3', { flags: flags | Flag.solicited, mac: A }),
      say('ff02::1').na('2001:db8::3', { flags, mac: ALL_NODES }),
      eth(A, ALL).arp(2, ALL, '10.0.0.3', 0, '10.0.0.3'),
      eth(A, ALL).arp(3, A, '10.0.0.3', 0, '10.0.0.3')
    ])
      ports(world, 'a', frame)
    assert.equal(seeded(world, '2001:db8::3'), C)
    assert.equal(seeded(world, '10.0.0.3'), C)
    ports(world, 'a', say('ff02::1').na('2001:db8::3', { flags, mac: A }))
    ports(world, 'a', eth(A, ALL).arp(2, A, '10.0.0.3', 0, '10.0.0.3'))
    assert.equal(seeded(world, '2001:db8::3'), A)
    assert.equal(seeded(world, '10.0.0.3'), A)
  })

  test('SB-08 in IPv6: an unknown address is flooded, to routers too', () => {
    const { world, router } = site()
    assert.deepEqual(ports(world, 'a', solicit(A, '2001:db8::1', '2001:db8::9')), ['b', 'c'])
    assert.equal(router.heard, 1)
    const other = eth(A, ALL_NODES).ipv6('fe80::1', 'ff02::1').udp(1, 2)
    assert.deepEqual(ports(world, 'a', other), ['b', 'c'])
    assert.equal(router.heard, 1)
  })

  test('a forged solicitation (hop limit, checksum, tag) is flooded, not answered', () => {
    const { world } = site()
    const group = 'ff02::1:ff00:fe'
    const ns = (hopLimit: number): PacketBuilder =>
      eth(A, '33:33:ff:00:00:fe')
        .ipv6('2001:db8::1', group, { hopLimit })
        .ns('2001:db8::fe', { mac: A })
    assert.deepEqual(ports(world, 'a', ns(64)), ['b', 'c'])
    const wrong = ns(255).frame()
    wrong[wrong.length - 1]! ^= 1
    assert.deepEqual(
      world
        .exchange('a', wrong)
        .map(d => d.port)
        .sort(),
      ['b', 'c']
    )
    const tagged = eth(A, '33:33:ff:00:00:fe')
      .vlan(3)
      .ipv6('2001:db8::1', group, { hopLimit: 255 })
      .ns('2001:db8::fe', { mac: A })
    assert.deepEqual(ports(world, 'a', tagged), ['b', 'c'])
    assert.deepEqual(ports(world, 'a', ns(255)), ['a'])
  })

  test('an unsolicited advertisement moves an entry, a solicited one does not', () => {
    const { world } = site()
    seed(world, '2001:db8::3', C)
    const na = (flags: number): PacketBuilder =>
      eth(B, ALL_NODES)
        .ipv6('2001:db8::3', 'ff02::1', { hopLimit: 255 })
        .na('2001:db8::3', { flags, mac: B })
    assert.deepEqual(ports(world, 'b', na(Flag.solicited)), ['a', 'c'])
    assert.equal(seeded(world, '2001:db8::3'), C)
    assert.deepEqual(ports(world, 'b', na(Flag.override)), ['a', 'c'])
    assert.equal(seeded(world, '2001:db8::3'), B)
  })
})
