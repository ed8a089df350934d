// Bindings, interfaces and tunnels come and go in any order; whatever the order, the packets that
// follow go where the topology says.  Two real hosts on one virtual clock.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import bridge from '../../../plugins/bridge/index.ts'
import router from '../../../plugins/router/index.ts'
import type { WorldObject } from '../../../test/world/store.ts'
import { World } from '../../../test/world/world.ts'
import type { Plugin } from '../../plugin.ts'
import { parseIpv4 } from '../../wire/address.ts'
import { eth } from '../../wire/builder.ts'

const PLUGINS = [bridge, router] as unknown as readonly Plugin[]
const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'

const vm = (id: string, number: number, host: string): WorldObject => ({
  kind: 'port',
  value: { id, number, type: 'bridge', device: 'net', host, interface: `tap-${id}` }
})
const NET: WorldObject = { kind: 'bridge', value: { id: 'net' } }

const open = (objects: readonly WorldObject[] = []): World =>
  new World({ plugins: PLUGINS, objects: [NET, vm('a', 1, 'h1'), vm('b', 2, 'h2'), ...objects] })

const frame = (src: string, dst: string, n = 0): Uint8Array =>
  eth(src, dst).ipv4('10.0.0.1', '10.0.0.2', { id: n }).udp(1, 2).frame()
const ports = (world: World, port: string, bytes: Uint8Array): string[] =>
  world.exchange(port, bytes).map(delivery => delivery.port)

// Both stations have spoken: later packets are unicast, from flows.
function acquainted(): World {
  const world = open()
  ports(world, 'a', frame(A, B))
  ports(world, 'b', frame(B, A))
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
  return world
}

test('a binding that comes before its interface is used when the interface is there', () => {
  const world = open()
  const h2 = world.hosts.get('h2')!
  h2.setUp('tap-late', false)
  world.store.put('port', vm('late', 3, 'h2').value)
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
  h2.setUp('tap-late', true)
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)).sort(), ['b', 'late'])
})

test('an interface that was there before its binding is used once it is bound', () => {
  const world = open()
  world.hosts.get('h2')!.setUp('tap-late', true)
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
  world.store.put('port', vm('late', 3, 'h2').value)
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)).sort(), ['b', 'late'])
})

test('an interface that goes down takes nothing in and gives nothing out until it is up', () => {
  const world = acquainted()
  const h2 = world.hosts.get('h2')!
  h2.setUp('tap-b', false)
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), [])
  assert.deepEqual(ports(world, 'b', frame(B, A)), [])
  h2.setUp('tap-b', true)
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
  assert.deepEqual(ports(world, 'b', frame(B, A)), ['a'])
})

test('a port that moves to another host is reached there at once', () => {
  const world = acquainted()
  world.addHost('h3')
  world.settle()
  for (const host of ['h3', 'h1', 'h2']) {
    world.store.put('port', vm('b', 2, host).value)
    world.settle()
    assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'], host)
    assert.deepEqual(ports(world, 'b', frame(B, A)), ['a'], host)
    for (const { host: side } of world.hosts.values()) assert.ok(side.view.port('b')!.active, host)
  }
})

test('an interface that is given to another port speaks for that port at once', () => {
  const world = open([
    { kind: 'bridge', value: { id: 'other' } },
    { kind: 'port', value: { id: 'c', number: 4, type: 'bridge', device: 'other' } }
  ])
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
  world.store.put('port', { ...vm('a', 1, 'h1').value, interface: 'tap-new' })
  const taken = { host: 'h1', interface: 'tap-a' }
  world.store.put('port', { ...world.store.get('port', 'c')!, ...taken })
  world.settle()
  assert.deepEqual(ports(world, 'c', frame(A, B)), []) // nobody else is in that network
})

test('a port without its interface is said to be down, while it is a port of the host', () => {
  const world = acquainted()
  const word = (): string | undefined => world.store.table('active/h1').get('late')?.value
  world.hosts.get('h1')!.setUp('tap-late', false)
  world.store.put('port', vm('late', 3, 'h1').value)
  world.settle()
  assert.equal(word(), '')
  world.store.delete('port', 'late')
  world.settle()
  assert.equal(word(), undefined)
})

test('a port bound to the underlay does not take the tunnels down', () => {
  const world = acquainted()
  const { value } = vm('late', 3, 'h1')
  world.store.put('port', { ...value, interface: 'underlay' })
  world.settle()
  assert.equal(world.hosts.get('h1')!.host.view.port('late')!.active, false)
  assert.deepEqual(ports(world, 'b', frame(B, A)), ['a'])
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
})

for (const [what, name, is] of [
  ['the loopback', 'lo', { kind: 'loopback' }],
  ['a loopback of another name', 'lo7', { kind: 'loopback' }],
  ['the underlay', 'underlay', {}],
  ['an inject device', 'mzinj', {}],
  ['the other end of it', 'mzinjp', {}],
  ['a network card', 'eth9', { kind: '' }],
  ['a bridge of the host', 'br9', { kind: 'bridge' }],
  ['a VLAN of a card', 'eth9.7', { kind: 'vlan' }],
  ['a veth with the default route', 'up9', { leadsOut: true }]
] as const)
  test(`C3: ${what} is refused by the agent, and the binding says so`, () => {
    const world = acquainted()
    const h1 = world.hosts.get('h1')!
    h1.become(name, is)
    world.store.put('port', { ...vm('late', 3, 'h1').value, interface: name })
    world.settle()
    assert.equal(h1.host.view.port('late')!.active, false)
    const said = (): string => world.store.table('binding-faults/h1').get('late')?.value ?? ''
    assert.match(said(), new RegExp(`^interface ${name} of host .* is refused: `))
    world.store.put('port', vm('late', 3, 'h1').value)
    world.settle()
    assert.equal(said(), '')
    assert.equal(h1.host.view.port('late')!.active, true)
  })

test('F10: why a port is not up is said while it is not, and only then', () => {
  const world = acquainted()
  const said = (): string | undefined => world.store.table('binding-faults/h1').get('late')?.value
  world.hosts.get('h1')!.setUp('tap-late', false)
  world.store.put('port', vm('late', 3, 'h1').value)
  world.settle()
  assert.match(said()!, /^interface tap-late of host .* is down$/)
  world.store.put('port', vm('late', 3, 'h2').value)
  world.settle()
  assert.equal(said(), undefined)
  world.store.put('port', vm('late', 3, 'h1').value)
  world.settle()
  assert.match(said()!, /is down$/)
  world.hosts.get('h1')!.setUp('tap-late', true)
  world.settle()
  assert.equal(said(), undefined)
})

test('a packet that waited while its interface went does not shut the interface', () => {
  const gateway = {
    kind: 'port',
    value: {
      ...{ id: 'gw', number: 9, type: 'router', device: 'r', mac: '02:00:00:00:00:99' },
      ...{ addresses: ['10.0.0.254/24'], host: 'h1', interface: 'tap-gw' }
    }
  }
  const world = open([{ kind: 'router', value: { id: 'r' } }, gateway])
  const toNobody = eth(A, '02:00:00:00:00:99').ipv4('10.0.0.1', '10.0.0.77').udp(1, 2).frame()
  assert.deepEqual(ports(world, 'gw', toNobody), ['gw']) // the router asks who that is
  const h1 = world.hosts.get('h1')!
  h1.setUp('tap-gw', false)
  world.settle(4000)
  h1.setUp('tap-gw', true)
  world.settle()
  const ping = eth(A, '02:00:00:00:00:99').ipv4('10.0.0.1', '10.0.0.254').icmpEcho(1, 1).frame()
  assert.deepEqual(ports(world, 'gw', ping), ['gw']) // it asks who we are, or answers
})

test('hosts without a common tunnel zone: a counted drop, until they have one', () => {
  const world = open()
  const membership = world.store.get('tunnel-zone-host', 'zone-h2')!
  world.store.delete('tunnel-zone-host', 'zone-h2')
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), [])
  assert.deepEqual(ports(world, 'a', frame(A, B)), [])
  assert.equal(world.drops()['drop.agent.unreachable-port'], 2)
  world.store.put('tunnel-zone-host', membership)
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
})

test('a host that changes its underlay address is reached at the new one', () => {
  const world = acquainted()
  const h2 = world.hosts.get('h2')!.host.worker.cache
  assert.ok(h2.size > 0)
  const membership = world.store.get('tunnel-zone-host', 'zone-h2')!
  world.store.put('tunnel-zone-host', { ...membership, address: '172.31.0.99' })
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), []) // nobody has that address
  world.store.put('tunnel-zone-host', membership)
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
})

test('a zone that changes from VXLAN to GRE takes its flows along', () => {
  const world = acquainted()
  const { cache } = world.hosts.get('h1')!.host.worker
  const kinds = (): number[] =>
    [...cache.table.ids()].flatMap(id => {
      const { actions } = cache.get(id)!
      return actions.count > 0 && actions.type(0) === 2 ? [actions.flags(0)] : []
    })
  assert.deepEqual(kinds(), [0])
  world.store.put('tunnel-zone', { ...world.store.get('tunnel-zone', 'zone')!, type: 'gre' })
  world.settle()
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
  assert.deepEqual(kinds(), [1])
})

test('flows that leave by a tunnel go when the underlay gets another MTU', () => {
  const world = acquainted()
  const h1 = world.hosts.get('h1')!
  const { cache } = h1.host.worker
  const tunnelled = () =>
    [...cache.table.ids()]
      .map(id => cache.get(id)!)
      .filter(({ actions }) => actions.count > 0 && actions.type(0) === 2)
  const [before, ...others] = tunnelled()
  assert.equal(others.length, 0)
  h1.setUnderlayMtu(1280)
  world.settle()
  // The kernel's part was made for the MTU of before: another flow stands there now.
  assert.notEqual(tunnelled()[0], before)
  assert.deepEqual(ports(world, 'a', frame(A, B)), ['b'])
  assert.equal(tunnelled().length, 1)
})

test('what is tunnelled to a port that is gone is dropped, and goes on when it is back', () => {
  const world = acquainted()
  const { datapath } = world.hosts.get('h2')!
  const arrive = (): string[] => {
    world.delivered.length = 0
    datapath.input(1, frame(A, B), { key: 2, src: parseIpv4('172.31.0.1') })
    world.settle()
    return world.delivered.map(({ port }) => port)
  }
  assert.deepEqual(arrive(), ['b'])
  const { value } = vm('b', 2, 'h2')
  world.store.put('port', { ...value, host: undefined, interface: undefined })
  world.settle()
  assert.deepEqual(arrive(), [])
  assert.equal(world.drops()['drop.agent.stray-tunnel'], 1)
  world.store.put('port', value)
  world.settle()
  assert.deepEqual(arrive(), ['b'])
})
