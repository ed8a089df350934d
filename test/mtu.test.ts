// What does not fit the interface it should leave by: cut, answered or counted, on whichever host
// that interface is, with the first packet and with later ones.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import bridge from '../plugins/bridge/index.ts'
import firewall from '../plugins/firewall/index.ts'
import nat from '../plugins/nat/index.ts'
import router from '../plugins/router/index.ts'
import { trace } from '../src/host/show/explain.ts'
import type { Plugin } from '../src/plugin.ts'
import { arpRequest, eth, type PacketBuilder, solicit } from '../src/wire/builder.ts'
import { l4Valid } from '../src/wire/checksum.ts'
import { describeFrame } from '../src/wire/describe.ts'
import * as ipv4 from '../src/wire/ipv4.ts'
import { Topology } from './world/objects.ts'
import { type Delivery, World } from './world/world.ts'

const plugins = [bridge, firewall, nat, router] as unknown as readonly Plugin[]
const MAC = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b', c: '02:00:00:00:00:0c' }
const R = { r0: '0a:00:00:00:00:01', r1: '0a:00:00:00:00:02' }
const MTU = 1300

// a ── r0 ┐          ┌ r1 ── b (MTU 1300)            x ┬ net ┬ y (MTU 1300)
//         └─ router ─┘                                  └─────┘
function worldOf(host: string, more: (topology: Topology) => void = () => {}): World {
  const topology = new Topology()
    .bridge('net')
    .edge('x', 'net', 'h1')
    .edge('y', 'net', host)
    .router('r')
  topology.bound('r0', 'router', 'r', 'h1', {
    mac: R.r0,
    addresses: ['10.1.0.1/16', 'fd01::1/64']
  })
  topology.bound('r1', 'router', 'r', host, {
    mac: R.r1,
    addresses: ['10.2.0.1/16', 'fd02::1/64']
  })
  more(topology)
  const world = new World({ plugins, objects: topology.objects, share: true })
  world.settle(5000)
  for (const name of ['r1', 'y']) world.hosts.get(host)!.setMtu(name, MTU)
  world.settle(100)
  world.exchange('r0', arpRequest(MAC.a, '10.1.0.2', '10.1.0.1').frame())
  world.exchange('r1', arpRequest(MAC.b, '10.2.0.2', '10.2.0.1').frame())
  world.exchange('r0', solicit(MAC.a, 'fd01::2', 'fd01::1').frame())
  world.exchange('r1', solicit(MAC.b, 'fd02::2', 'fd02::1').frame())
  world.exchange('x', eth(MAC.a, MAC.b).ipv4('10.9.0.1', '10.9.0.2').udp(1, 2).frame())
  world.exchange('y', eth(MAC.b, MAC.a).ipv4('10.9.0.2', '10.9.0.1').udp(2, 1).frame())
  return world
}

const v4 = (dontFragment: boolean, id = 7): PacketBuilder =>
  eth(MAC.a, R.r0).ipv4('10.1.0.2', '10.2.0.2', { dontFragment, id })
const v6 = (): PacketBuilder => eth(MAC.a, R.r0).ipv6('fd01::2', 'fd02::2')
const sized = (ip: PacketBuilder, size: number, header: number): Uint8Array =>
  ip
    .udp(5000, 9)
    .payload(size - header - 8)
    .frame()
const texts = (deliveries: Delivery[]): string[] =>
  deliveries.map(({ port, frame }) => `${port} ${describeFrame(frame)}`)
const sizes = (deliveries: Delivery[]): string[] =>
  deliveries.map(({ port, frame }) => `${port} ${frame.length - 14}`)

for (const host of ['h1', 'h2'])
  describe(`B2: the egress interface is smaller than the packet, on ${host}`, () => {
    test('with DF the router tells the sender: first packet and later ones', () => {
      const world = worldOf(host)
      const big = sized(v4(true), 1400, 20)
      for (let i = 0; i < 2; i++) {
        const [told, ...rest] = texts(world.exchange('r0', big))
        assert.match(told!, /^r0 .*10\.1\.0\.1 > 10\.1\.0\.2.*unreachable.*mtu 1300/)
        assert.equal(rest.length, 0)
        assert.deepEqual(sizes(world.exchange('r0', sized(v4(true), MTU, 20))), ['r1 1300'])
      }
      assert.equal(world.drops()['drop.agent.too-big'], 2)
    })

    test('IPv6 hears packet too big', () => {
      const world = worldOf(host)
      for (let i = 0; i < 2; i++) {
        const [told, ...rest] = texts(world.exchange('r0', sized(v6(), 1400, 40)))
        assert.match(told!, /^r0 .*fd01::1 > fd01::2.*packet-too-big code 0 mtu 1300/)
        assert.equal(rest.length, 0)
        assert.deepEqual(sizes(world.exchange('r0', sized(v6(), MTU, 40))), ['r1 1300'])
      }
    })

    test('without DF IPv4 is cut, and the pieces make the packet', () => {
      const world = worldOf(host)
      for (let i = 0; i < 2; i++) {
        const frame = sized(v4(false), 1400, 20)
        const got = world.exchange('r0', frame)
        assert.deepEqual(sizes(got), ['r1 1300', 'r1 120'])
        for (const { frame: piece } of got) {
          const view = new DataView(piece.buffer, piece.byteOffset, piece.length)
          assert.ok(ipv4.checksumValid(view, 14))
          assert.equal(ipv4.ttl(view, 14), 63)
        }
        const payload = Buffer.concat(got.map(({ frame }) => frame.subarray(34)))
        assert.deepEqual(payload, Buffer.from(frame.subarray(34)))
        assert.deepEqual(sizes(world.exchange('r0', sized(v4(false), MTU, 20))), ['r1 1300'])
      }
    })

    test('a bridge cannot answer: counted', () => {
      const world = worldOf(host)
      const frame = (size: number): Uint8Array =>
        eth(MAC.a, MAC.b)
          .ipv4('10.9.0.1', '10.9.0.2')
          .udp(1, 2)
          .payload(size - 28)
          .frame()
      assert.deepEqual(sizes(world.exchange('x', frame(1301))), [])
      assert.deepEqual(sizes(world.exchange('x', frame(1300))), ['y 1300'])
      assert.deepEqual(sizes(world.exchange('x', frame(1301))), [])
      const tagged = eth(MAC.a, MAC.b).vlan(5).ipv4('10.9.0.1', '10.9.0.2').udp(1, 2)
      assert.deepEqual(sizes(world.exchange('x', tagged.payload(MTU - 28).frame())), ['y 1304'])
      assert.equal(world.drops()['drop.agent.too-big'], 2)
    })

    test('the MTU changes while packets flow', () => {
      const world = worldOf(host)
      const at = world.hosts.get(host)!
      const small = sized(v4(true), 1000, 20)
      assert.deepEqual(sizes(world.exchange('r0', small)), ['r1 1000'])
      at.setMtu('r1', 900)
      world.settle(100)
      assert.match(texts(world.exchange('r0', small)).join(), /mtu 900/)
      at.setMtu('r1', 1500)
      world.settle(100)
      assert.deepEqual(sizes(world.exchange('r0', small)), ['r1 1000'])
      assert.deepEqual(sizes(world.exchange('r0', sized(v4(true), 1450, 20))), ['r1 1450'])
    })

    test('B14: of a stateful flow, translated, the first packet is cut or answered', () => {
      const world = worldOf(host, topology =>
        topology
          .add('chain', 'out', { name: 'out' })
          .add('chain', 'in', { name: 'in' })
          .rule('out', 1, 'snat', {
            ...{ source: '10.1.0.0/16', outPorts: ['r1'] },
            natTargets: [{ from: '10.2.0.77', portFrom: 1024, portTo: 65535 }]
          })
          .rule('in', 1, 'reverse-snat', { destination: '10.2.0.77/32' })
      )
      world.store.put('router', { id: 'r', inFilter: 'in', outFilter: 'out' })
      world.settle(100)
      const told = world.exchange('r0', sized(v4(true), 1400, 20))
      assert.match(texts(told).join(), /^r0 .*10\.1\.0\.1 > 10\.1\.0\.2.*mtu 1300/)
      const got = world.exchange('r0', sized(v4(false), 1400, 20))
      assert.deepEqual(sizes(got), ['r1 1300', 'r1 120'])
      const [src] = got.map(({ frame }) => ipv4.src(new DataView(frame.buffer), 14))
      assert.equal(src! >>> 0, 0x0a02004d)
      whole(got)
    })
  })

// The checksum of layer 4 holds once the pieces are put together.
function whole(got: Delivery[]): void {
  const first = got[0]!.frame
  const bytes = Buffer.concat([first, ...got.slice(1).map(({ frame }) => frame.subarray(34))])
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  ipv4.setTotalLength(view, 14, bytes.length - 14)
  ipv4.setFragment(view, 14, 0, false, false)
  assert.ok(l4Valid(view, 14, 34, bytes.length, ipv4.protocol(view, 14)))
}

test('B14: the first packet of a stateful flow, larger than the tunnel', () => {
  const world = worldOf('h2', topology =>
    topology
      .add('chain', 'out', { name: 'out' })
      .rule('out', 1, 'accept', { connectionStates: ['new', 'established'] })
  )
  world.hosts.get('h2')!.setMtu('r1', 1500)
  world.store.put('router', { id: 'r', outFilter: 'out' })
  world.settle(100)
  const told = texts(world.exchange('r0', sized(v4(true), 1451, 20)))
  assert.match(told.join(), /^r0 .*mtu 1450/)
  const told6 = texts(world.exchange('r0', sized(v6(), 1451, 40)))
  assert.match(told6.join(), /^r0 .*packet-too-big code 0 mtu 1450/)
  assert.deepEqual(sizes(world.exchange('r0', sized(v4(false), 1451, 20))), ['r1 1444', 'r1 27'])
})

test('B2: a trace says what does not fit', async () => {
  const world = worldOf('h2')
  const { host } = world.hosts.get('h1')!
  const told = async (port: string, frame: Uint8Array): Promise<string> =>
    (await trace(host, world.clock, port, frame)).lines.join('\n')
  assert.match(
    await told('r0', sized(v4(true), 1400, 20)),
    /too big: 1400 bytes, the interface 1300, the tunnel 1450; the last router/
  )
  assert.doesNotMatch(await told('r0', sized(v4(true), MTU, 20)), /too big/)
})

test('B2: of a port that moved the new host says what it takes', () => {
  const world = worldOf('h2')
  const at = (host: string) => world.hosts.get(host)!
  at('h1').setMtu('r1', 1400)
  at('h2').setUp('r1', false)
  world.settle(100)
  world.store.put('port', { ...world.store.get('port', 'r1')!, host: 'h1' })
  world.settle(2000)
  world.exchange('r1', arpRequest(MAC.b, '10.2.0.2', '10.2.0.1').frame())
  assert.match(texts(world.exchange('r0', sized(v4(true), 1450, 20))).join(), /mtu 1400/)
  const { view, bindings } = at('h2').host
  assert.equal(bindings.mtuElsewhere(view.port('r1')!), 1400)
  world.store.put('port', { ...world.store.get('port', 'r1')!, host: 'h2' })
  at('h2').setUp('r1', true)
  world.settle(2000)
  world.exchange('r1', arpRequest(MAC.b, '10.2.0.2', '10.2.0.1').frame())
  assert.match(texts(world.exchange('r0', sized(v4(true), 1450, 20))).join(), /mtu 1300/)
})
