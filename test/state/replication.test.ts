// Connections over several hosts, in a world on one clock: what goes out by one gateway comes back
// by the other, and whoever sees the answer knows the connection before it comes.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eth } from '../../src/wire/builder.ts'
import { back, FAR, INSIDE, OUT, open, out, VM } from './two-gateways.ts'

const FIN = 'FA'

describe('a connection out by one gateway and back by the other', () => {
  test('CT-02 the answer passes a default-drop policy, and nothing else does', () => {
    const world = open()
    assert.deepEqual(
      world.exchange('up1', back(1, 5000, 'S')).map(({ port }) => port),
      []
    )
    assert.deepEqual(
      world.exchange('vm', out(5000, 'S')).map(({ port }) => port),
      ['up0']
    )
    assert.deepEqual(
      world.exchange('up1', back(1, 5000, 'SA')).map(({ port }) => port),
      ['vm']
    )
    assert.deepEqual(
      world.exchange('vm', out(5000, 'A')).map(({ port }) => port),
      ['up0']
    )
    assert.deepEqual(
      world.exchange('up0', back(0, 5000, 'A')).map(({ port }) => port),
      ['vm']
    )
    assert.deepEqual(
      world.exchange('up0', back(0, 5001, 'SA')).map(({ port }) => port),
      []
    )
  })

  test('the first packet leaves when both gateways have its state, not before', () => {
    const world = open({ delayMsMax: 4 })
    world.send('vm', out(5000, 'S'))
    let known = 0
    for (let i = 0; i < 40 && world.delivered.length === 0; i++) {
      known = [...world.hosts.values()].filter(
        ({ host }) => host.replication.flowState.table.size > 0
      ).length
      world.clock.advance(1)
    }
    assert.equal(world.delivered.length, 1)
    assert.equal(known, 3)
  })

  test('CT-05 a dropped packet leaves no state, anywhere', () => {
    const world = open()
    const sizes = () =>
      [...world.hosts.values()].map(({ host }) => host.replication.flowState.table.size)
    const before = sizes()
    world.exchange('up0', back(0, 5000, FIN))
    world.settle(20)
    assert.deepEqual(sizes(), before)
    world.exchange('vm', out(5000, 'S'))
    assert.deepEqual(
      sizes(),
      before.map(size => size + 1)
    )
  })

  for (const loss of [0.01, 0.1, 0.3])
    test(`INV-08 ${loss * 100} % of all messages and tunnelled packets lost: state arrives`, () => {
      const world = open({ lossProbability: loss, seed: 11 })
      let answered = 0
      for (let port = 6000; port < 6200; port++) {
        const [first] = world.exchange('vm', out(port, 'S'))
        if (first === undefined) world.settle(250) // held, or lost
        if (first !== undefined || world.delivered.length > 0)
          answered += world.exchange('up1', back(1, port, 'SA')).length
      }
      // What is lost is lost on the underlay, once out and once back; no answer is refused.
      assert.equal(world.drops()['drop.firewall.rule'] ?? 0, 0)
      assert.ok(answered > 200 * (1 - loss) ** 2 * 0.8, `${answered} of 200 answered`)
    })

  test('MIG-01 a port that moves has the state of its flows on the new host', () => {
    const world = open()
    world.addHost('h2')
    world.settle(300)
    world.exchange('vm', out(5000, 'S'))
    world.exchange('up1', back(1, 5000, 'SA'))
    const port = world.store.get('port', 'vm')!
    world.store.put('port', { ...port, host: 'h2', previousHost: 'h1' })
    world.settle(50)
    assert.ok(world.hosts.get('h2')!.host.replication.flowState.table.size > 0)
    assert.deepEqual(
      world.exchange('vm', out(5000, 'A')).map(({ port }) => port),
      ['up0']
    )
    assert.deepEqual(
      world.exchange('up1', back(1, 5000, 'A')).map(({ port }) => port),
      ['vm']
    )
    assert.deepEqual(
      world.exchange('up0', back(0, 5000, 'PA')).map(({ port }) => port),
      ['vm']
    )
    assert.deepEqual(
      world.exchange('up0', back(0, 5001, 'PA')).map(({ port }) => port),
      []
    )
  })

  test('a gateway that is cut off takes its routes along; connections go on by the other', () => {
    const world = open()
    world.exchange('vm', out(5000, 'S'))
    world.exchange('up0', back(0, 5000, 'SA'))
    const gateway = world.hosts.get('g0')!
    gateway.isCut = true
    world.settle(300)
    assert.deepEqual(
      world.exchange('vm', out(5000, 'A')).map(({ port }) => port),
      ['up1']
    )
    assert.deepEqual(
      world.exchange('up1', back(1, 5000, 'A')).map(({ port }) => port),
      ['vm']
    )
    assert.deepEqual(
      world.exchange('vm', out(5002, 'S')).map(({ port }) => port),
      ['up1']
    )
    gateway.isCut = false
    world.settle(300)
    assert.deepEqual(
      world.exchange('vm', out(5000, 'A')).map(({ port }) => port),
      ['up0']
    )
    assert.deepEqual(
      world.exchange('up0', back(0, 5002, 'SA')).map(({ port }) => port),
      ['vm']
    )
  })

  test('whoever begins while a gateway is dead sends nothing there', () => {
    const world = open()
    world.hosts.get('g0')!.isCut = true
    world.settle(300)
    world.addHost('h2')
    world.store.put('port', { ...world.store.get('port', 'vm')!, host: 'h2', previousHost: 'h1' })
    world.settle(4000)
    // The store has not noticed.
    assert.equal(world.store.table('active/g0').get('up0')?.value, 'g0')
    assert.deepEqual(
      world.exchange('vm', out(5000, 'S')).map(({ port }) => port),
      ['up1']
    )
    world.hosts.get('g0')!.isCut = false
    world.settle(300)
    assert.deepEqual(
      world.exchange('vm', out(5001, 'S')).map(({ port }) => port),
      ['up0']
    )
  })

  test('a host that joins a stateful group is given what its port may see', () => {
    const world = open()
    world.exchange('vm', out(5000, 'S'))
    world.addHost('g2')
    world.store.put('port', {
      id: 'up2',
      number: 90,
      type: 'router',
      device: 'r',
      host: 'g2',
      interface: 'up2',
      mac: '02:00:00:00:0b:03',
      addresses: ['203.0.113.34/28']
    })
    world.settle(300)
    const group = world.store.get('port-group', 'uplinks')!
    world.store.put('port-group', { ...group, ports: ['up0', 'up1', 'up2'] })
    world.settle(50)
    assert.ok(world.hosts.get('g2')!.host.replication.flowState.table.size > 0)
  })

  test('INV-07 UDP in use never loses its state, anywhere; unused it goes everywhere', () => {
    const world = open({ timeouts: { udpOneWayS: 3, udpTwoWayS: 8 } })
    const ask = eth(VM, INSIDE).ipv4('10.0.0.11', '198.51.100.7').udp(7000, 53).frame()
    const tell = eth(FAR, OUT[1]!).ipv4('198.51.100.7', '10.0.0.11').udp(53, 7000).frame()
    world.exchange('vm', ask)
    for (let i = 0; i < 40; i++) {
      assert.equal(world.exchange('up1', tell).length, 1, `answer ${i}`)
      world.settle(2000)
    }
    world.settle(30_000)
    for (const { id, host } of world.hosts.values())
      assert.equal(host.replication.flowState.table.size, 0, id)
    world.exchange('up1', tell) // neighbours are asked for again; the answer itself is dropped
    assert.equal(world.drops()['drop.firewall.rule'], 1)
  })
})
