// Bridges in the world: the real worker, view and tables, on one host or on several.  The names
// begin with the ids of the acceptance list.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { arpRequest, eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { Topology } from '../../test/world/objects.ts'
import { World, type WorldOptions } from '../../test/world/world.ts'
import firewall from '../firewall/index.ts'
import bridge from './index.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const C = '02:00:00:00:00:0c'
const ROUTER = '02:00:00:00:00:01'
const ALL = 'ff:ff:ff:ff:ff:ff'

const udp = (src: string, dst: string): PacketBuilder =>
  eth(src, dst).ipv4('10.0.0.1', '10.0.0.2').udp(1000, 2000)

// A bridge with the ports a, b and c on one host, and a router's port at 10.0.0.254.
const threePorts = (fields = {}): Topology =>
  new Topology()
    .bridge('br', fields)
    .edge('a', 'br')
    .edge('b', 'br')
    .edge('c', 'br')
    .uplink('r0', 'r', 'br', ROUTER, ['10.0.0.254/24'])

const worldOf = (topology: Topology, options: Partial<WorldOptions> = {}): World =>
  new World({ plugins: [bridge, firewall], objects: topology.objects, ...options })

// Where a frame comes out, in order of name.
function out(world: World, port: string, frame: Uint8Array | PacketBuilder): string[] {
  const bytes = frame instanceof Uint8Array ? frame : frame.frame()
  return world
    .exchange(port, bytes)
    .map(delivery => delivery.port)
    .sort()
}

const macs = (world: World, id = 'br'): Record<string, string> =>
  Object.fromEntries([...world.store.table(`mac/${id}`).values()].map(e => [e.key, e.value]))

describe('learning and forwarding', () => {
  test('SB-01: a malformed payload is flooded, and its source learned', () => {
    const world = worldOf(threePorts())
    const frame = eth(A, B, 0x0800)
      .payload(new Uint8Array([0x45, 0, 0]))
      .frame()
    assert.deepEqual(out(world, 'a', frame), ['b', 'c'])
    assert.deepEqual(macs(world), { [A]: 'a' })
  })

  test('SB-02 SB-18: an unknown destination goes to all other ports, once each', () => {
    const world = worldOf(threePorts())
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    assert.deepEqual(macs(world), { [A]: 'a' })
  })

  test('SB-17: a known destination is one output', () => {
    const world = worldOf(threePorts())
    out(world, 'b', udp(B, A))
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
  })

  test('SB-18: a flood to 600 ports reaches each of the other 599 once', () => {
    const topology = new Topology().bridge('br')
    for (let i = 0; i < 600; i++) topology.edge(`p${i}`, 'br')
    const world = worldOf(topology)
    assert.equal(new Set(out(world, 'p0', udp(A, B))).size, 599)
    assert.equal(out(world, 'p0', udp(A, B)).length, 599)
  })

  for (const [id, dst] of [
    ['SB-05', ALL],
    ['SB-09', '01:00:5e:00:00:fb']
  ] as const)
    test(`${id}: ${dst} is flooded, not to routers, and the source learned`, () => {
      const world = worldOf(threePorts())
      assert.deepEqual(out(world, 'a', udp(A, dst)), ['b', 'c'])
      assert.deepEqual(macs(world), { [A]: 'a' })
      assert.equal(world.counter('drop.simulation.no-such-device'), 0)
    })

  test('SB-10: a group address as source is dropped and not learned', () => {
    const world = worldOf(threePorts())
    assert.deepEqual(out(world, 'a', udp('03:00:00:00:00:01', B)), [])
    assert.equal(world.drops()['drop.bridge.group-source'], 1)
    assert.deepEqual(macs(world), {})
  })

  test('SB-11 BR-06: an address that moves takes its flows along', () => {
    const world = worldOf(threePorts())
    out(world, 'b', udp(B, A))
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
    out(world, 'c', udp(B, A))
    assert.deepEqual(macs(world)[B], 'c')
    assert.deepEqual(out(world, 'a', udp(A, B)), ['c'])
    out(world, 'b', udp(B, A)) // back: its old flow must not have survived the move
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
  })

  test('SB-11: an address that moves there and back is learned each time', () => {
    const world = worldOf(threePorts())
    for (const port of ['b', 'c', 'b', 'c', 'b']) {
      out(world, port, udp(B, ALL)) // the same frame: a flow that knows nothing of the move
      assert.deepEqual(macs(world), { [B]: port })
    }
  })

  test('SB-12: learning an address ends the floods to it', () => {
    const world = worldOf(threePorts())
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    out(world, 'b', udp(B, ALL))
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
  })

  test('SB-13: a frame for its own port, or for itself, is dropped', () => {
    const world = worldOf(threePorts())
    out(world, 'a', udp(B, ALL))
    assert.deepEqual(out(world, 'a', udp(A, B)), [])
    assert.deepEqual(out(world, 'a', udp(C, C)), [])
    assert.equal(world.drops()['drop.bridge.same-port'], 2)
  })

  test('SB-13: a frame for itself is dropped also when there is no room to learn it', () => {
    const world = worldOf(threePorts({ macsMax: 1 }))
    for (const mac of [A, B]) world.store.tablePut('mac/br', mac, 'b', '')
    world.settle()
    assert.deepEqual(out(world, 'a', udp(C, C)), [])
    assert.equal(world.counter('bridge.macs-refused'), 1)
  })

  test('SB-14: a silent address is forgotten, one that is heard is not', () => {
    const world = worldOf(threePorts({ macAgeMs: 100_000 }))
    out(world, 'b', udp(B, ALL))
    out(world, 'c', udp(C, ALL))
    out(world, 'a', udp(A, B))
    for (let i = 0; i < 9; i++) {
      world.settle(20_000)
      out(world, 'c', eth(C, ALL).ipv4('10.0.0.3', '10.0.0.9').udp(i, i))
    }
    assert.deepEqual(macs(world), { [C]: 'c' })
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    assert.deepEqual(out(world, 'a', udp(A, C)), ['c'])
  })

  test('SB-15: a link made or undone is followed by the floods', () => {
    const world = worldOf(threePorts().bridge('far').edge('z', 'far', 'h1'))
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    const [x, y] = new Topology().link('x', { type: 'bridge', device: 'br', number: 100 }, 'y', {
      type: 'bridge',
      device: 'far',
      number: 101
    }).objects
    world.store.put('port', { ...x!.value, peer: undefined })
    world.store.put('port', y!.value)
    world.store.put('port', x!.value)
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c', 'z'])
    assert.deepEqual(macs(world, 'far'), { [A]: 'y' })
    world.store.delete('port', 'x')
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
  })

  test('BR-01 BR-03: hosts share what they learn', () => {
    const topology = new Topology()
      .bridge('br')
      .edge('a', 'br', 'h1')
      .edge('b', 'br', 'h2')
      .edge('c', 'br', 'h3')
    const world = worldOf(topology)
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    assert.deepEqual(out(world, 'b', udp(B, A)), ['a'])
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
    assert.deepEqual(out(world, 'c', udp(C, B)), ['b'])
  })

  test('BR-05: two bridges with the same addresses never see each other', () => {
    const world = worldOf(threePorts().bridge('other').edge('x', 'other').edge('y', 'other'))
    assert.deepEqual(out(world, 'x', udp(B, A)), ['y'])
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    assert.deepEqual(out(world, 'x', arpRequest(A, '10.0.0.1', '10.0.0.254')), ['y'])
  })

  test("a router's address is not learned from elsewhere", () => {
    const world = worldOf(threePorts())
    out(world, 'a', udp(ROUTER, ALL))
    assert.deepEqual(macs(world), {})
  })

  test('an address whose port was deleted is unknown again', () => {
    const world = worldOf(threePorts())
    out(world, 'b', udp(B, ALL))
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
    world.store.delete('port', 'b')
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), ['c'])
    assert.deepEqual(macs(world), { [A]: 'a' })
  })
})

describe('chains of the bridge', () => {
  const dropsUdp = (filter: 'inFilter' | 'outFilter'): Topology =>
    threePorts({ [filter]: 'chain' })
      .add('chain', 'chain', { name: 'no-udp' })
      .rule('chain', 1, 'drop', { protocol: 'udp' })

  for (const [id, filter] of [
    ['SB-03', 'inFilter'],
    ['SB-04', 'outFilter']
  ] as const) {
    test(`${id}: ${filter} drops untagged frames, which are learned from all the same`, () => {
      const world = worldOf(dropsUdp(filter))
      assert.deepEqual(out(world, 'a', udp(A, B)), [])
      assert.equal(world.drops()['drop.firewall.rule'], 1)
      assert.deepEqual(macs(world), { [A]: 'a' })
      assert.deepEqual(out(world, 'b', eth(B, A).ipv4('10.0.0.2', '10.0.0.1').tcp(1, 2)), ['a'])
      assert.deepEqual(out(world, 'a', udp(A, B)), [])
    })

    test(`${id}: ${filter} does not look at tagged frames`, () => {
      const world = worldOf(dropsUdp(filter))
      const frame = eth(A, B).vlan(7).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2)
      assert.deepEqual(out(world, 'a', frame), ['b', 'c'])
    })
  }

  test('outPorts match where a frame is forwarded, not where it is flooded', () => {
    const topology = threePorts({ outFilter: 'chain' })
      .add('chain', 'chain', { name: 'not-b' })
      .rule('chain', 1, 'drop', { outPorts: ['b'] })
    const world = worldOf(topology)
    assert.deepEqual(out(world, 'b', udp(B, ALL)), ['a', 'c'])
    assert.deepEqual(out(world, 'a', udp(A, B)), [])
    assert.deepEqual(out(world, 'a', udp(A, C)), ['b', 'c'])
  })

  test('BR-08: a rule takes effect on running flows, and its deletion too', () => {
    const world = worldOf(threePorts({ inFilter: 'chain' }).add('chain', 'chain', { name: 'x' }))
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    const rule = { id: 'rule', chain: 'chain', position: 1, action: 'drop', ethType: 0x0800 }
    world.store.put('rule', rule)
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), [])
    world.store.delete('rule', 'rule')
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
  })
})

describe('admin state', () => {
  test('bridge down: a silent drop, until it is up again', () => {
    const world = worldOf(threePorts())
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
    world.store.put('bridge', { id: 'br', adminStateUp: false })
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), [])
    assert.equal(world.drops()['drop.bridge.down'], 1)
    world.store.put('bridge', { id: 'br', adminStateUp: true })
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b', 'c'])
  })

  const setPort = (world: World, id: string, fields: object): void => {
    world.store.put('port', { ...world.store.get('port', id)!, ...fields })
    world.settle()
  }

  test('port down, ingress and egress: a silent drop, until it is up again', () => {
    const world = worldOf(threePorts())
    out(world, 'b', udp(B, ALL))
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
    setPort(world, 'b', { adminStateUp: false })
    assert.deepEqual(out(world, 'a', udp(A, B)), [])
    assert.deepEqual(out(world, 'b', udp(B, A)), [])
    assert.equal(world.drops()['drop.simulation.port-down'], 2)
    setPort(world, 'b', { adminStateUp: true })
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
    assert.deepEqual(out(world, 'b', udp(B, A)), ['a'])
  })

  test('a flood leaves out a port that is down, and takes it in when it is up', () => {
    const world = worldOf(threePorts())
    setPort(world, 'b', { adminStateUp: false })
    assert.deepEqual(out(world, 'a', udp(A, C)), ['c'])
    setPort(world, 'b', { adminStateUp: true })
    assert.deepEqual(out(world, 'a', udp(A, C)), ['b', 'c'])
  })

  test('an interior port down, on either side: nothing passes the link', () => {
    for (const down of ['x', 'y']) {
      const topology = new Topology()
        .bridge('br')
        .edge('a', 'br')
        .bridge('far')
        .edge('z', 'far')
        .link('x', { type: 'bridge', device: 'br' }, 'y', { type: 'bridge', device: 'far' })
      const world = worldOf(topology)
      assert.deepEqual(out(world, 'a', udp(A, B)), ['z'])
      setPort(world, down, { adminStateUp: false })
      assert.deepEqual(out(world, 'a', udp(A, B)), [])
      setPort(world, down, { adminStateUp: true })
      assert.deepEqual(out(world, 'a', udp(A, B)), ['z'])
    }
  })

  test('BR-07: an interface that goes down and comes up is found again', () => {
    const world = worldOf(threePorts())
    out(world, 'b', udp(B, ALL))
    world.hosts.get('h1')!.setUp('b', false)
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), [])
    world.hosts.get('h1')!.setUp('b', true)
    world.settle()
    assert.deepEqual(out(world, 'a', udp(A, B)), ['b'])
  })
})
