// Flows that are used while ports elsewhere move: what they tell of their state goes to whoever is
// responsible by now, not to who was when they were made.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadPlugins } from '../../src/agent/plugins.ts'
import { RECORD_WORDS, RecordWord, StateFlag } from '../../src/state/record.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { checkInvariants } from '../world/invariants.ts'
import { Topology } from '../world/objects.ts'
import { World } from '../world/world.ts'
import { back, FAR, INSIDE, OUT, open, out, VM } from './two-gateways.ts'

const plugins = await loadPlugins()
const [INNER, PEER] = ['10.0.0.11', '198.51.100.7']
const LET_GO_MS = 5000
const asked = (): PacketBuilder => eth(VM, INSIDE).ipv4(INNER, PEER)
const answered = (): PacketBuilder => eth(FAR, OUT[0]!).ipv4(PEER, INNER)

const speak = {
  udp: [asked().udp(5000, 53).frame(), answered().udp(53, 5000).frame()],
  ping: [asked().icmpEcho(7, 1).frame(), answered().icmpEcho(7, 1, { reply: true }).frame()]
} as const

function opened(): World {
  const world = open({ timeouts: { udpTwoWayS: 40, icmpS: 40 } }) // told of every ten seconds
  world.addHost('h2')
  world.settle(500)
  return world
}

const holders = (world: World): string[] =>
  ['g0', 'g1', 'h2'].filter(id => world.hosts.get(id)!.host.replication.flowState.table.size > 0)

/** The other uplink of the group goes to another host; no flow here leads by it. */
function moveOther(world: World): void {
  const port = world.store.get('port', 'up1')!
  world.store.put('port', { ...port, host: 'h2', previousHost: port.host } as never)
}

function lets(world: World): void {
  world.settle(LET_GO_MS)
  checkInvariants(world)
  assert.deepEqual(holders(world), ['g0', 'h2'])
}

describe('(i), (ii): flows made before a port of their group moved', () => {
  for (const [name, [ask, answer]] of Object.entries(speak))
    test(`D1: ${name}: those who are responsible by now are told of its use`, () => {
      const world = opened()
      world.exchange('vm', ask)
      assert.deepEqual(holders(world), ['g0', 'g1'])
      for (let i = 0; i < 3; i++) assert.equal(world.exchange('up0', answer).length, 1)
      moveOther(world)
      lets(world)
      for (let s = 0; s < 12; s++) {
        assert.equal(world.exchange('up0', answer).length, 1)
        world.settle(1000)
      }
      lets(world)
    })

  test('D1: those who are responsible by now are told of a FIN that a flow saw', () => {
    const world = opened()
    world.exchange('vm', out(5000, 'S'))
    world.exchange('up0', back(0, 5000, 'SA'))
    world.exchange('vm', out(5000, 'A'))
    world.exchange('up0', back(0, 5000, 'A'))
    moveOther(world)
    lets(world)
    assert.equal(world.exchange('up0', back(0, 5000, 'FA')).length, 1)
    world.settle(10_000)
    lets(world)
  })
})

test('(i): an agent that has begun anew lets go of what it was told by mistake', () => {
  const world = opened()
  world.exchange('vm', speak.udp[0])
  moveOther(world)
  lets(world)
  const g1 = world.hosts.get('g1')!
  g1.restart()
  world.settle(1000)
  const record = new Int32Array(RECORD_WORDS)
  world.hosts.get('g0')!.host.replication.flowState.table.scan(1, record, new Float64Array(1))
  g1.host.replication.flowState.table.put(record, 0, 0)
  world.settle(8000)
  lets(world)
})

test('(i): of what was flooded, whoever answers is responsible from then on', () => {
  const world = opened()
  const vm = world.store.get('port', 'vm')!
  for (const [i, id] of ['other', 'one'].entries()) {
    const at = { host: ['g1', 'h2'][i], interface: id, inFilter: undefined, outFilter: undefined }
    world.store.put('port', { ...vm, id, number: 40 + i, ...at } as never)
  }
  world.settle(500)
  const one = '02:00:00:00:00:12'
  const ask = eth(VM, one).ipv4(INNER, '10.0.0.12').udp(5000, 53).frame()
  const answer = eth(one, VM).ipv4('10.0.0.12', INNER).udp(53, 5000).frame()
  const arrives = (): string[] => world.exchange('one', answer).map(({ port }) => port)
  assert.equal(world.exchange('vm', ask).length, 2)
  assert.deepEqual(arrives(), ['vm'])
  for (const host of ['g0', 'h2', 'g1']) {
    world.store.put('port', { ...world.store.get('port', 'one')!, host } as never)
    world.settle(LET_GO_MS)
    assert.deepEqual(arrives(), ['vm'])
    const { table } = world.hosts.get(host)!.host.replication.flowState
    assert.ok(table.size > 0, `${host} has it`)
  }
})

test('(ii): an answer that is dropped keeps nothing alive, and is none', () => {
  const world = opened()
  world.store.put('chain', { id: 'deaf', name: 'deaf' })
  const rule = { id: 'deaf-1', chain: 'deaf', position: 1, action: 'drop', matchReturnFlow: true }
  world.store.put('rule', rule as never)
  world.store.put('port', { ...world.store.get('port', 'up0')!, inFilter: 'deaf' } as never)
  world.settle(500)
  const [ask, answer] = speak.udp
  assert.equal(world.exchange('vm', ask).length, 1)
  for (let s = 0; s < 5; s++) {
    assert.equal(world.exchange('up0', answer).length, 0)
    world.settle(1000)
  }
  const record = new Int32Array(RECORD_WORDS * 8)
  for (const host of ['h1', 'g0', 'g1']) {
    const { table } = world.hosts.get(host)!.host.replication.flowState
    const n = table.scan(1, record, new Float64Array(8))
    for (let i = 0; i < n; i++)
      assert.equal(record[i * RECORD_WORDS + RecordWord.flags]! & StateFlag.replied, 0, host)
  }
})

test('(ii): who asked is told of an answer that leaves by a port of another host', () => {
  const [asker, answerer] = ['02:00:00:00:01:01', '02:00:00:00:01:04']
  const [R0, R1] = ['02:00:00:00:0a:00', '02:00:00:00:0a:01']
  const { objects } = new Topology()
    .bridge('b0')
    .bridge('b1')
    .router('r', { inFilter: 'track' })
    .add('chain', 'track', { name: 'track' })
    .rule('track', 1, 'accept', { matchForwardFlow: true })
    .edge('vm4', 'b0', 'h0')
    .edge('vm1', 'b1', 'h1')
    .uplink('r0', 'r', 'b0', R0, ['10.0.0.1/24'])
    .uplink('r1', 'r', 'b1', R1, ['10.0.1.1/24'])
    .add('route', 'back', {
      ...{ router: 'r', destination: '10.0.1.11/32', port: 'r0', gateway: '10.0.0.14', weight: 1 }
    })
  const world = new World({ plugins, objects, share: true })
  world.settle(300)
  world.store.tablePut('neighbour/r0', '10.0.0.14', `${answerer} 0`, 'test')
  const ask = eth(asker, R1).ipv4('10.0.1.11', '10.0.0.14').udp(1000, 2000).frame()
  assert.deepEqual(
    world.exchange('vm1', ask).map(({ port }) => port),
    ['vm4']
  )
  world.exchange('vm4', eth(answerer, R0).ipv4('10.0.0.14', '10.0.1.11').udp(2000, 1000).frame())
  world.settle(LET_GO_MS)
  checkInvariants(world)
})
