// Rules with and without connections, over several hosts: by network, by MAC, and by what a chaotic
// underlay does to the state of a connection.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadPlugins } from '../../src/agent/plugins.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { trace } from '../../src/host/show/explain.ts'
import { eth } from '../../src/wire/builder.ts'
import { Topology } from '../world/objects.ts'
import { World } from '../world/world.ts'
import { back, FAR, INSIDE, OUT, open, out, VM } from './two-gateways.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'

const places = (world: World, port: string, frame: Uint8Array): string[] =>
  world.exchange(port, frame).map(delivery => delivery.port)

// a (h1) and b (h2) on one bridge; the rules are those of what goes to a, whose own connections are
// watched.
async function bridged(rules: readonly Record<string, unknown>[]): Promise<World> {
  const topology = new Topology()
    .bridge('b')
    .edge('a', 'b', 'h1', { outFilter: 'guard', inFilter: 'watch' })
    .edge('b', 'b', 'h2')
    .add('chain', 'guard', { name: 'guard' })
    .add('chain', 'watch', { name: 'watch' })
    .rule('watch', 1, 'accept', { matchForwardFlow: true })
  for (const [i, { action, ...rest }] of rules.entries())
    topology.rule('guard', i + 1, String(action), rest)
  const world = new World({
    plugins: await loadPlugins(),
    objects: topology.objects,
    share: true
  })
  world.settle(300)
  // Where they are is known.
  world.exchange('a', eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(1, 1).frame())
  world.exchange('b', eth(B, A).ipv4('10.0.0.2', '10.0.0.1').udp(2, 2).frame())
  world.settle(300)
  return world
}

const ask = (port: number) => eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(port, 53).frame()
const tell = (port: number) => eth(B, A).ipv4('10.0.0.2', '10.0.0.1').udp(53, port).frame()

describe('filters', () => {
  test('CT-01 a network is dropped in one direction; the other passes, and leaves no hole', () => {
    const world = open({}, [{ action: 'drop', source: '198.51.100.0/24' }])
    assert.deepEqual(places(world, 'vm', out(5000, 'S')), ['up0'])
    assert.deepEqual(places(world, 'up0', back(0, 5000, 'SA')), [])
    const other = eth(FAR, OUT[0]!).ipv4('192.0.2.9', '10.0.0.11').tcp(80, 5000).frame()
    assert.deepEqual(places(world, 'up0', other), ['vm'])
  })

  test('CT-03 a MAC is dropped in one direction; the other passes, no hole is left', async () => {
    const world = await bridged([{ action: 'drop', ethSrc: B }])
    assert.deepEqual(places(world, 'a', ask(7000)), ['b'])
    assert.deepEqual(places(world, 'b', tell(7000)), [])
  })

  test('CT-04 a MAC is dropped but for what answers', async () => {
    const world = await bridged([
      { action: 'accept', connectionStates: ['established'] },
      { action: 'drop', ethSrc: B }
    ])
    assert.deepEqual(places(world, 'b', tell(7000)), [])
    assert.deepEqual(places(world, 'a', ask(7000)), ['b'])
    assert.deepEqual(places(world, 'b', tell(7000)), ['a'])
    assert.deepEqual(places(world, 'b', tell(7001)), [])
  })
})

describe('an underlay that delays each message as it likes', () => {
  for (let seed = 1; seed <= 20; seed++)
    test(`INV-09 seed ${seed}: whatever overtakes what, no answer is dropped`, () => {
      const world = open({ delayMsMax: 30, seed })
      for (let port = 6000; port < 6020; port++) {
        assert.deepEqual(places(world, 'vm', out(port, 'S')), ['up0'])
        assert.deepEqual(places(world, 'up1', back(1, port, 'SA')), ['vm'])
      }
      assert.equal(world.drops()['drop.firewall.rule'] ?? 0, 0)
    })

  test('INV-09 an answer that is there before its state is not dropped for long', () => {
    const world = open()
    const gateway = world.hosts.get('g1')!
    gateway.isCut = true
    assert.deepEqual(places(world, 'vm', out(6000, 'S')), [])
    world.settle(300) // the bound of a held packet
    world.delivered.length = 0
    assert.deepEqual(places(world, 'up1', back(1, 6000, 'SA')), [])
    gateway.isCut = false
    world.settle(300)
    world.delivered.length = 0
    assert.deepEqual(places(world, 'up1', back(1, 6000, 'SA')), ['vm'])
    assert.deepEqual(places(world, 'vm', out(6000, 'A')), ['up0'])
  })

  test('a packet of nobody makes no hole, however often it comes', () => {
    const world = open()
    const stray = eth(FAR, OUT[1]!).ipv4('198.51.100.7', '10.0.0.11').udp(53, 7000).frame()
    for (let i = 0; i < 5; i++) assert.deepEqual(places(world, 'up1', stray), [])
    const asked = eth(VM, INSIDE).ipv4('10.0.0.11', '198.51.100.7').udp(7000, 53).frame()
    assert.deepEqual(places(world, 'vm', asked), ['up0'])
    assert.deepEqual(places(world, 'up1', stray), ['vm'])
  })
})

// A turn of the event loop.
const turn = (): Promise<void> => new Promise(done => new SystemClock().soon(done))

const traced = [
  ['h1', 'vm', out(6000, 'S')],
  ['g0', 'up0', back(0, 6000, 'SA')],
  ['g1', 'up1', back(1, 6001, 'SA')]
] as const

function lookAt(world: World, host: string, port: string, frame: Uint8Array): Promise<unknown> {
  const { host: side, counters } = world.hosts.get(host)!
  counters.snapshot()
  return trace(side, world.clock, port, frame)
}

describe('who looks', () => {
  // The same packets, seen and unseen.
  async function play(isTraced: boolean): Promise<unknown> {
    const world = open()
    const look = async () => {
      const traces = isTraced
        ? traced.map(([host, port, frame]) => lookAt(world, host, port, frame))
        : []
      // What a walk lacks is loaded meanwhile.
      for (let i = 0; i < 20; i++) {
        await turn()
        world.clock.advance(10)
      }
      await Promise.all(traces)
    }
    for (let n = 6000; n < 6005; n++) {
      await look()
      world.exchange('vm', out(n, 'S'))
      await look()
      world.exchange('up1', back(1, n, 'SA'))
    }
    const flows = [...world.hosts.values()].map(({ host: { worker } }) =>
      [...worker.cache.table.ids()].map(id => [
        [...worker.cache.table.key(id)],
        [...worker.cache.table.mask(id)],
        worker.cache.tags.tags(id).sort()
      ])
    )
    return { flows, fingerprint: world.fingerprint() }
  }

  test('INV-02 traces and counters change no mask, no tag and no outcome', async () => {
    assert.deepEqual(await play(true), await play(false))
  })
})
