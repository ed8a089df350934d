// Flows that an earlier agent left in its kernel go on while what their walks need has yet to come:
// a next hop that is asked for by way of a gateway whose own agent has only begun.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkInvariants } from '../world/invariants.ts'
import type { World, WorldHost } from '../world/world.ts'
import { back, FAR, open, out } from './two-gateways.ts'

const PORTS = [5000, 5001, 5002, 5003]

/** A gateway has heard of its next hop. */
const knows = (world: World, n: number): void =>
  world.store.tablePut(`neighbour/up${n}`, `203.0.113.${n * 16 + 1}`, `${FAR} 7`, `session-g${n}`)

/** Where TCP packets come out; neighbours are asked for meanwhile. */
const exchanged = (world: World, port: string, frame: Uint8Array): string =>
  world
    .exchange(port, frame)
    .filter(each => each.frame[12] === 0x08 && each.frame[13] === 0)
    .map(each => each.port)
    .join()

const sent = (world: World, port: number): string => exchanged(world, 'vm', out(port, 'PA'))

// Connections by up0, whose flows all kernels have.
function opened(): World {
  const world = open({ journal: true })
  for (const n of [0, 1]) knows(world, n)
  world.settle(50)
  for (const port of PORTS) {
    assert.equal(exchanged(world, 'vm', out(port, 'S')), 'up0')
    assert.equal(exchanged(world, 'up0', back(0, port, 'SA')), 'vm')
    for (const _ of [1, 2]) assert.equal(sent(world, port), 'up0')
  }
  return world
}

// The same, and then no agent and no session any more.
function left(): { world: World; h1: WorldHost; g0: WorldHost; g1: WorldHost } {
  const world = opened()
  world.settle(2000) // what is kept for the next agents has been given
  const [h1, g0, g1] = ['h1', 'g0', 'g1'].map(id => world.hosts.get(id)!)
  for (const host of world.hosts.values()) host.kill()
  world.settle(1000)
  for (const host of world.hosts.values()) host.forgetDead()
  assert.equal(world.store.table('neighbour/up0').size, 0)
  return { world, h1: h1!, g0: g0!, g1: g1! }
}

const adopted = ({ counters }: WorldHost) => ({
  kept: counters.value('flows.adopted'),
  gone: counters.value('flows.disowned')
})

function begin(of: readonly WorldHost[]): void {
  for (const host of of) host.restart('keeps')
}

describe('a next hop that nobody knows any more, when all agents begin anew', () => {
  test('flows in the kernel go on until it has answered, and are kept then', () => {
    const { world, h1, g0, g1 } = left()
    begin([h1, g0, g1])
    for (let ms = 0; ms < 12_000; ms += 250) {
      world.settle(249)
      for (const port of PORTS) assert.equal(sent(world, port), 'up0', `${port} after ${ms} ms`)
    }
    assert.ok(h1.host.maintenance.unconfirmed > 0)
    knows(world, 0)
    world.settle(6000)
    for (const port of PORTS) assert.equal(sent(world, port), 'up0')
    assert.equal(h1.host.maintenance.unconfirmed, 0)
    assert.ok(adopted(h1).kept >= PORTS.length && adopted(h1).gone === 0)
    assert.deepEqual(world.drops(), {})
  })

  test('it is waited for half a minute, not for ever', () => {
    const { world, h1, g0, g1 } = left()
    begin([h1, g0, g1])
    world.settle(80_000)
    assert.equal(h1.host.maintenance.unconfirmed, 0)
    assert.ok(adopted(h1).gone >= PORTS.length)
    for (const port of PORTS) assert.equal(sent(world, port), '')
  })

  test('what is forbidden meanwhile goes at once', () => {
    for (const action of ['reject', 'drop']) {
      const { world, h1, g0, g1 } = left()
      world.store.put('rule', { id: 'no', chain: 'watch', position: 0, action } as never)
      begin([h1, g0, g1])
      world.settle(5000)
      for (const port of PORTS) assert.equal(sent(world, port), '', action)
      assert.equal(h1.host.maintenance.unconfirmed, 0)
    }
  })

  test('a next hop that is on no link of the port any more is not waited for', () => {
    const { world, h1, g0, g1 } = left()
    const route = world.store.get('route', 'to0')!
    world.store.put('route', { ...route, gateway: '203.0.113.99' } as never)
    begin([h1, g0, g1])
    world.settle(5000)
    for (const port of PORTS) assert.notEqual(sent(world, port), 'up0')
    assert.equal(h1.host.maintenance.unconfirmed, 0)
  })

  test('a port that is closed meanwhile lets nothing pass', () => {
    const { world, h1, g0, g1 } = left()
    world.store.put('port', { ...world.store.get('port', 'vm')!, adminStateUp: false })
    begin([h1, g0, g1])
    world.settle(5000)
    for (const port of PORTS) assert.equal(sent(world, port), '')
    assert.equal(h1.host.maintenance.unconfirmed, 0)
  })
})

describe('connections of which nobody had saved anything when all agents died', () => {
  // What is kept is gone, as if it had not yet been given.
  function forgotten(): World {
    const world = opened()
    for (const host of world.hosts.values()) host.kill()
    for (const host of world.hosts.values()) host.forgetKept()
    world.settle(100)
    return world
  }

  // The outside alone speaks, until it hears an answer.
  const answered = (world: World, port: number): boolean =>
    exchanged(world, 'up0', back(0, port, 'PA')) === 'vm' && sent(world, port) === 'up0'

  test('the flows of their openers vouch for them: nothing is lost', () => {
    const world = forgotten()
    for (const host of world.hosts.values()) host.restart('keeps')
    world.settle(15_000)
    for (const port of PORTS) assert.ok(answered(world, port), `${port}`)
    checkInvariants(world)
    const { table } = world.hosts.get('g1')!.host.replication.flowState
    assert.ok(table.size >= PORTS.length, 'the group knows of them')
    world.settle(120_000)
    knows(world, 0)
    for (const port of PORTS) assert.ok(answered(world, port), `${port} after two minutes`)
  })

  test('what today no packet may open is vouched for by none', () => {
    const world = forgotten()
    world.store.put('rule', { id: 'no', chain: 'watch', position: 0, action: 'drop' } as never)
    for (const host of world.hosts.values()) host.restart('keeps')
    world.settle(15_000)
    for (const port of PORTS) {
      assert.equal(exchanged(world, 'up0', back(0, port, 'PA')), '')
      assert.equal(sent(world, port), '')
    }
    assert.equal(world.hosts.get('h1')!.host.maintenance.unconfirmed, 0)
  })
})
