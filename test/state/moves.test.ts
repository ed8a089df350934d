// Ports that move to and fro, connections that end or are reset meanwhile, and new ones between
// the same ends: who holds a record, and which of two stands (D1).

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eth } from '../../src/wire/builder.ts'
import { checkInvariants } from '../world/invariants.ts'
import type { World, WorldOptions } from '../world/world.ts'
import { FAR, INSIDE, OUT, open, VM } from './two-gateways.ts'

const SNAT = '180.0.1.200'
const PEER = '198.51.100.7'

// Everything that leaves is translated; answers come in by either gateway.
function translated(options: Partial<WorldOptions> = {}): World {
  const world = open(options, [{ action: 'accept' }])
  for (const name of ['in', 'out']) world.store.put('chain', { id: `nat-${name}`, name })
  const rule = { position: 1 }
  world.store.put('rule', { id: 'back', chain: 'nat-in', action: 'reverse-snat', ...rule } as never)
  const natTargets = [{ from: SNAT, portFrom: 1024, portTo: 65_535 }]
  const to = { source: '10.0.0.0/24', natTargets }
  world.store.put('rule', { id: 'to', chain: 'nat-out', action: 'snat', ...to, ...rule } as never)
  world.store.put('router', { id: 'r', inFilter: 'nat-in', outFilter: 'nat-out' } as never)
  world.addHost('h2')
  world.settle(500)
  return world
}

function move(world: World, host: string): void {
  const port = world.store.get('port', 'vm')!
  world.store.put('port', { ...port, host, previousHost: port.host } as never)
  world.settle(200)
}

const say = (port: number, flags: string) =>
  eth(VM, INSIDE).ipv4('10.0.0.11', PEER).tcp(port, 80, { flags }).frame()

const portOf = (frame: Uint8Array) => (frame[34]! << 8) | frame[35]!

/** The SYN of `port` goes out by a gateway, and the answer comes back; the port it left by. */
function opens(world: World, port: number, by: number): number {
  let [sent] = world.exchange('vm', say(port, 'S'))
  if (sent === undefined) {
    world.settle(100)
    ;[sent] = world.delivered.splice(0)
  }
  assert.ok(sent, `the SYN of ${port} leaves: ${JSON.stringify(world.drops())}`)
  const outside = portOf(sent.frame)
  assert.deepEqual(answers(world, outside, 'SA', by), ['vm'], `answer to ${port} by up${by}`)
  assert.equal(world.exchange('vm', say(port, 'A')).length, 1)
  return outside
}

function answers(world: World, outside: number, flags: string, by: number): string[] {
  const frame = eth(FAR, OUT[by]!).ipv4(PEER, SNAT).tcp(80, outside, { flags }).frame()
  return world.exchange(`up${by}`, frame).map(({ port }) => port)
}

describe('D1: of two records of one key the younger opening stands', () => {
  for (const by of [0, 1]) {
    test(`D1: reset on the other host, opened anew back on the first, answered by ${by}`, () => {
      const world = translated()
      const first = opens(world, 5000, by)
      move(world, 'h2')
      assert.deepEqual(answers(world, first, 'RA', by), ['vm'])
      world.settle(14_000)
      checkInvariants(world)
      move(world, 'h1')
      opens(world, 5000, by)
      world.settle(4000)
      checkInvariants(world)
    })

    test(`D1: reset and opened anew on the other host, moved back, answered by ${by}`, () => {
      const world = translated()
      const first = opens(world, 5000, by)
      move(world, 'h2')
      assert.deepEqual(answers(world, first, 'RA', by), ['vm'])
      world.settle(14_000)
      const second = opens(world, 5000, by)
      move(world, 'h1')
      world.settle(1000)
      assert.deepEqual(answers(world, second, 'PA', by), ['vm'])
      const [sent] = world.exchange('vm', say(5000, 'PA'))
      assert.equal(sent === undefined ? 0 : portOf(sent.frame), second)
      world.settle(5000)
      checkInvariants(world)
    })
  }

  test('D1: a record that only the mover kept is told to the group again by a SYN', () => {
    const world = translated()
    opens(world, 5000, 0)
    for (const g of ['g0', 'g1']) {
      const { table } = world.hosts.get(g)!.host.replication.flowState
      for (let id = 1; id < 64; id++) table.remove(id, table.stamp(id))
    }
    opens(world, 5000, 1)
  })
})

describe('(i) a record is held only by hosts that are responsible for it', () => {
  const held = (world: World, host: string): number =>
    world.hosts.get(host)!.host.replication.flowState.table.size

  test('a host that lost a port hands its records over and forgets them', () => {
    const world = translated()
    const outside = opens(world, 5000, 0)
    move(world, 'h2')
    world.settle(3000)
    assert.equal(held(world, 'h1'), 0)
    assert.ok(held(world, 'h2') > 0)
    checkInvariants(world)
    assert.deepEqual(answers(world, outside, 'PA', 1), ['vm'])
  })

  test('moves to and fro, faster than records are let go, lose none', () => {
    const world = translated()
    const outsides = [5000, 5001, 5002].map(port => opens(world, port, port % 2))
    for (let i = 0; i < 11; i++) {
      move(world, i % 2 === 0 ? 'h2' : 'h1')
      world.settle(i * 300)
      for (const outside of outsides) assert.deepEqual(answers(world, outside, 'PA', i % 2), ['vm'])
      outsides.push(opens(world, 6000 + i, 0))
    }
    world.settle(4000)
    checkInvariants(world)
  })

  test('an heir that is away is waited for', () => {
    const world = translated()
    const outside = opens(world, 5000, 0)
    world.hosts.get('h2')!.isCut = true
    world.settle(300)
    move(world, 'h2')
    world.settle(10_000)
    assert.ok(held(world, 'h1') > 0)
    world.hosts.get('h2')!.isCut = false
    world.settle(40_000)
    assert.equal(held(world, 'h1'), 0)
    assert.deepEqual(answers(world, outside, 'PA', 0), ['vm'])
    checkInvariants(world)
  })

  test('a gateway that leaves its group lets go of what the others know', () => {
    const world = translated()
    opens(world, 5000, 0)
    const group = world.store.get('port-group', 'uplinks')!
    world.store.put('port-group', { ...group, ports: ['up0'] } as never)
    world.settle(3000)
    checkInvariants(world)
    assert.equal(held(world, 'g1'), 0)
    world.store.put('port-group', group)
    world.settle(300)
    assert.ok(held(world, 'g1') > 0)
  })
})

describe('D12: what came with a port outlives its new agent', () => {
  for (const whose of ['the new host', 'everybody'])
    test(`D12: connections open after moves live on when ${whose} begins anew`, () => {
      const world = translated({ journal: true })
      const outsides = [5000, 5001, 5002].map(port => opens(world, port, port % 2))
      move(world, 'h2')
      world.settle(40_000)
      const begins = whose === 'everybody' ? [...world.hosts.keys()] : ['h2']
      for (const host of begins) world.hosts.get(host)!.kill()
      for (const host of begins) world.hosts.get(host)!.restart()
      world.settle(4000)
      for (const [i, outside] of outsides.entries()) {
        assert.deepEqual(answers(world, outside, 'PA', i % 2), ['vm'])
        const [sent] = world.exchange('vm', say(5000 + i, 'PA'))
        assert.equal(sent === undefined ? 0 : portOf(sent.frame), outside)
      }
    })

  test('D12: nothing is translated anew while the store has not answered', () => {
    const world = translated({ journal: true, journalMs: 9000 })
    const outsides = [5000, 5001].map(port => opens(world, port, port % 2))
    world.settle(1000)
    for (const host of world.hosts.values()) host.kill()
    for (const host of world.hosts.values()) host.restart()
    for (let second = 0; second < 12; second++) {
      world.settle(1000)
      for (const i of outsides.keys()) world.exchange('vm', say(5000 + i, 'PA'))
    }
    for (const [i, outside] of outsides.entries()) {
      const [sent] = world.exchange('vm', say(5000 + i, 'PA'))
      assert.equal(sent === undefined ? 0 : portOf(sent.frame), outside)
      assert.deepEqual(answers(world, outside, 'PA', i % 2), ['vm'])
    }
    checkInvariants(world)
  })

  test('D12: who begins at the same moment waits for what others are still loading', () => {
    const world = translated({ journal: true, journalMs: 250 })
    for (const port of [5000, 5001]) opens(world, port, 0)
    world.settle(1000)
    const hosts = [...world.hosts.values()]
    // Of the connections of its ports h1 knows what the gateways tell it: nothing kept them here.
    world.hosts.get('h1')!.forgetKept()
    for (const host of hosts) host.kill()
    world.settle(200)
    for (const host of hosts) host.restart()
    const isActive = (): boolean => {
      const { view, bindings } = world.hosts.get('h1')!.host
      const port = view.port('vm')
      return port != null && bindings.local(port) !== undefined
    }
    for (let ms = 0; ms < 4000 && !isActive(); ms += 10) world.settle(10)
    assert.ok(isActive())
    assert.ok(world.hosts.get('h1')!.host.replication.flowState.table.size > 0)
  })

  for (const afterMs of [0, 350, 1500, 5000])
    test(`D12: who begins ${afterMs} ms before who kept it has its connections too`, () => {
      const world = translated({ journal: true, journalMs: 250 })
      const outsides = [5000, 5001].map((port, i) => opens(world, port, i))
      world.settle(1000)
      const hosts = [...world.hosts].sort(([a], [b]) => (a === 'h1' ? 1 : b === 'h1' ? -1 : 0))
      for (const [, host] of hosts) host.kill()
      for (const [name, host] of hosts) {
        if (name === 'h1') world.settle(afterMs)
        else host.forgetKept()
        host.restart()
      }
      world.settle(4000)
      // Nothing has been said from inside since: nobody was asked for the way out.
      for (const [i, outside] of outsides.entries())
        assert.deepEqual(answers(world, outside, 'PA', i), ['vm'], JSON.stringify(world.drops()))
    })
})
