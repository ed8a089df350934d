// A gateway whose agent is gone while its kernel forwards on (D2): what is there stays, and what is
// new goes by the other.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { World } from '../world/world.ts'
import { back, FAR, open, out } from './two-gateways.ts'

// Both ways are as good.
function equal(world: World): World {
  for (const id of ['to0', 'to1'])
    world.store.put('route', { ...world.store.get('route', id)!, weight: 1 } as never)
  for (const n of [0, 1]) knows(world, n)
  world.settle(50)
  return world
}

/** A gateway has heard of its next hop, again. */
const knows = (world: World, n: number): void =>
  world.store.tablePut(
    `neighbour/up${n}`,
    `203.0.113.${n * 16 + 1}`,
    `${FAR} ${Math.floor(world.clock.wall() / 1000)}`,
    `session-g${n}`
  )

/** Where packets come out; neighbours are asked for meanwhile. */
const exchanged = (world: World, port: string, frame: Uint8Array): string =>
  world
    .exchange(port, frame)
    .filter(each => each.frame[12] === 0x08 && each.frame[13] === 0)
    .map(each => each.port)
    .join()

const exitOf = (world: World, port: number, flags: string): string =>
  exchanged(world, 'vm', out(port, flags))

/** Opens connections; by port, the gateway each leaves by. */
function opened(world: World, ports: readonly number[]): Map<number, string> {
  return new Map(
    ports.map(port => {
      const way = exitOf(world, port, 'S')
      assert.match(way, /^up[01]$/, `SYN of ${port}: "${way}" ${JSON.stringify(world.drops())}`)
      const by = way === 'up0' ? 0 : 1
      assert.equal(exchanged(world, way, back(by, port, 'SA')), 'vm', `answer to ${port}`)
      assert.equal(exitOf(world, port, 'A'), way)
      return [port, way]
    })
  )
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)

describe('D2: a gateway whose agent is gone, its kernel and links up', () => {
  test('D2: new connections go by the other at once; old ones keep their way', () => {
    const world = equal(open())
    const old = opened(world, range(5000, 24))
    const by0 = [...old].filter(([, way]) => way === 'up0')
    assert.ok(by0.length > 4 && by0.length < 20, `${by0.length} of 24 by up0`)
    const g0 = world.hosts.get('g0')!
    g0.kill()
    world.settle(1000)
    let port = 6000
    // 28 s on the store has noticed; 60 s on flows have been walked again.
    for (let second = 0; second < 90; second++) {
      if (second === 28) g0.forgetDead()
      if (second % 20 === 0) knows(world, 1)
      for (const way of opened(world, range(port, 2)).values())
        assert.equal(way, 'up1', `second ${second}`)
      port += 2
      for (const [of, way] of old) {
        assert.equal(exitOf(world, of, 'PA'), way, `${of} by ${way}, second ${second}`)
        const answer = exchanged(world, way, back(way === 'up0' ? 0 : 1, of, 'PA'))
        assert.equal(answer, 'vm', `answer to ${of} by ${way}, second ${second}`)
      }
      world.settle(1000)
    }
    assert.equal(world.drops()['drop.router.no-neighbour'] ?? 0, 0)
  })

  test('where there is no other, it goes on attracting what its kernel knows', () => {
    const world = open()
    world.hosts.get('g1')!.isCut = true
    world.settle(300)
    assert.equal(exitOf(world, 5000, 'S'), 'up0')
    const g0 = world.hosts.get('g0')!
    g0.kill()
    world.settle(1000)
    g0.forgetDead()
    world.settle(5000)
    assert.equal(exitOf(world, 5000, 'PA'), 'up0')
    assert.equal(world.drops()['drop.router.no-neighbour'] ?? 0, 0)
  })

  test('a host that was dead has its links back before its agent: nothing new goes there', () => {
    const world = equal(open())
    const g0 = world.hosts.get('g0')!
    g0.isCut = true
    g0.kill()
    world.settle(1000)
    g0.forgetDead()
    world.settle(2000)
    g0.isCut = false
    world.settle(500)
    for (const way of opened(world, range(6000, 12)).values()) assert.equal(way, 'up1')
  })

  test('a host that begins meanwhile knows that it is there, and sends nothing new there', () => {
    const world = equal(open())
    const h1 = world.hosts.get('h1')!
    world.hosts.get('g0')!.kill()
    h1.kill()
    world.settle(200)
    h1.restart()
    world.settle(3000)
    knows(world, 1)
    const g0 = h1.host.replication.peers.list().find(({ host }) => host === 'g0')
    assert.deepEqual(g0, { host: 'g0', alive: true, agentAlive: false })
    for (const way of opened(world, range(6000, 12)).values()) assert.equal(way, 'up1')
  })

  test('when the agent is back, it has its share again', () => {
    const world = equal(open())
    const g0 = world.hosts.get('g0')!
    g0.kill()
    world.settle(1000)
    g0.restart()
    world.settle(3000)
    const ways = [...opened(world, range(6000, 24)).values()]
    assert.ok(ways.includes('up0') && ways.includes('up1'))
    g0.forgetDead()
    world.settle(1000)
    opened(world, range(7000, 24))
    world.settle(60_000)
    opened(world, range(8000, 24))
  })
})

describe('D4: all agents begin anew at once', () => {
  test('D4: what their sessions wrote passes on; no flow goes with the old sessions', () => {
    const world = equal(open())
    for (const host of world.hosts.values()) host.kill()
    world.settle(200)
    for (const host of world.hosts.values()) host.restart()
    world.settle(5000)
    opened(world, range(5000, 24))
    world.settle(23_000)
    const stale = (): number => world.counter('flows.stale')
    opened(world, range(5000, 24))
    const before = stale()
    for (const host of world.hosts.values()) host.forgetDead()
    for (let second = 0; second < 40; second++) {
      world.settle(1000)
      for (const port of range(5000, 24)) assert.match(exitOf(world, port, 'PA'), /^up/)
    }
    assert.equal(stale() - before, 0)
  })
})
