// The maintenance of flows on a virtual clock: what goes, what stays, what is taken over.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MACS, OBJECTS, PLUGINS, unicast } from '../../../test/world/pair.ts'
import { WorldStore } from '../../../test/world/store.ts'
import { SurvivingDatapath } from '../../../test/world/surviving.ts'
import { assembly, defaults, World, type WorldOptions } from '../../../test/world/world.ts'
import { VirtualClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import { silentLog } from '../../core/log.ts'
import { SeededRandom } from '../../core/random.ts'
import type { Interest } from '../../topology/interest.ts'
import { eth } from '../../wire/builder.ts'
import { Host } from '../host.ts'
import type { Interface } from '../ports/interface.ts'

const SETTINGS = { tickMs: 10, quietTicks: 1, idleMs: 1000, checkMs: 500, shortMs: 200 }

function open(options: Partial<WorldOptions> = {}) {
  const world = new World({ plugins: PLUGINS, objects: OBJECTS, maintenance: SETTINGS, ...options })
  world.exchange('a', unicast(0, 1))
  world.exchange('b', unicast(1, 0))
  world.exchange('a', unicast(0, 1))
  const { host } = world.hosts.get('h')!
  return { world, cache: host.worker.cache, host }
}

test('a flow nobody uses goes after its idle time, one that is used stays', () => {
  const { world, cache } = open()
  assert.equal(cache.size, 2)
  for (let i = 0; i < 30; i++) {
    world.settle(100)
    world.exchange('a', unicast(0, 1))
  }
  assert.equal(cache.size, 1)
  assert.equal(world.counter('flows.expired'), 1)
  assert.equal(world.counter('packets.walked'), 3)
  world.settle(1100)
  assert.equal(cache.size, 0)
})

test('a flow that does not last is looked at again soon, however much it is used', () => {
  const { world, cache } = open()
  const own = eth(MACS[0]!, MACS[0]!).payload(50).frame() // to itself: a drop, for now
  for (let i = 0; i < 10; i++) {
    world.exchange('a', own)
    world.settle(50)
  }
  assert.equal(cache.size, 3)
  assert.equal(world.counter('packets.walked'), 3 + 3)
})

test('a flow in use is walked again and stays, if the walk still says the same', () => {
  const { world, cache } = open()
  for (let i = 0; i < 20; i++) {
    world.exchange('a', unicast(0, 1))
    world.settle(100)
  }
  assert.ok(world.counter('flows.revalidated') >= 3)
  assert.equal(world.counter('flows.disowned'), 0)
  assert.equal(cache.size, 1)
})

test('the TCP flags of a stateful flow are in the cache, those of others are not', () => {
  const { world, cache } = open()
  const segment = (from: number, to: number): Uint8Array =>
    eth(MACS[from]!, MACS[to]!).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2, { flags: 'FA' }).frame()
  const ids = [...cache.table.ids()]
  const [key, mask] = [cache.table.key(ids[0]!).slice(), cache.table.mask(ids[0]!).slice()]
  const { actions, ttlMin, cachePolicy } = cache.get(ids[0]!)!
  const flow = { actions, ttlMin, cachePolicy, tags: [], tagCount: 0, now: world.clock.now() }
  const id = cache.add(key, mask, { ...flow, stateful: true })
  cache.flush()
  for (const [port, from] of [
    ['a', 0],
    ['b', 1]
  ] as const)
    assert.equal(world.exchange(port, segment(from, 1 - from)).length, 1)
  world.settle(50)
  const flags = [...cache.table.ids()].map(each => [each === id, cache.get(each)!.tcpFlags])
  assert.deepEqual(flags.sort(), [
    [false, 0],
    [true, 0x11]
  ])
})

test('a flow the walk would not make today is found by the next look and taken out', () => {
  const { world, cache } = open()
  for (const id of [...cache.table.ids()]) {
    const flow = cache.get(id)!
    flow.actions = flow.actions.snapshot()
    flow.actions.words[1] = 77 // another interface
  }
  for (let i = 0; i < 8; i++) world.exchange('a', unicast(0, 1)) && world.settle(100)
  assert.ok(world.counter('flows.disowned') >= 1)
  assert.deepEqual(
    world.exchange('a', unicast(0, 1)).map(({ port }) => port),
    ['b']
  )
})

test('a look takes a slice of the cache at each tick, and comes to the end of it', () => {
  const { world, cache } = open({ maintenance: { ...SETTINGS, perTickMax: 3 } })
  for (let n = 0; n < 40; n++)
    world.exchange(
      'a',
      eth(MACS[0]!, `02:00:00:00:01:${(n + 16).toString(16)}`)
        .payload(9)
        .frame()
    )
  assert.ok(cache.size >= 40)
  world.settle(1500)
  assert.equal(cache.size, 0)
})

test('a look comes to old flows, however many new ones there are at each tick', () => {
  const { world, cache } = open({ maintenance: { ...SETTINGS, tickMs: 100, idleMs: 500 } })
  let most = 0
  for (let n = 0; n < 200; n++) {
    world.exchange('a', eth(MACS[0]!, numbered(n)).payload(9).frame())
    world.settle(10)
    most = Math.max(most, cache.size)
  }
  assert.ok(most > 30 && most < 120, `${most} flows`)
  assert.ok(world.counter('flows.expired') > 80)
})

test('a look that takes long stops, and goes on at the next tick until all were looked at', () => {
  const { world, host, cache } = open({
    maintenance: { ...SETTINGS, tickMs: 1_000_000, idleMs: 1e9 }
  })
  for (let n = 0; n < 100; n++) world.exchange('a', eth(MACS[0]!, numbered(n)).payload(9).frame())
  world.settle(600)
  const { clock } = world
  let walks = 0
  const now = clock.now.bind(clock)
  clock.now = () => now() + walks
  const revalidate = host.worker.revalidate.bind(host.worker)
  host.worker.revalidate = id => {
    walks++ // each takes a millisecond
    return revalidate(id)
  }
  const size = cache.size
  host.maintenance.tick()
  assert.ok(walks > 0 && walks < 40, `${walks}`)
  for (let tick = 0; tick < 20; tick++) host.maintenance.tick()
  assert.ok(walks >= size)
})

const numbered = (n: number): string => `02:00:00:00:01:${(n + 16).toString(16).padStart(2, '0')}`

test('before the table is full the flows unused for longest make room', () => {
  const { world, cache } = open({ flowsMax: 40 })
  for (let n = 0; n < 100; n++) {
    world.exchange(
      'a',
      eth(MACS[0]!, `02:00:00:00:01:${(n + 16).toString(16)}`)
        .payload(9)
        .frame()
    )
    world.exchange('a', unicast(0, 1))
    world.settle(10)
  }
  assert.ok(cache.size <= 40)
  assert.ok(world.counter('flows.evicted') >= 60)
  assert.equal(world.drops()['drop.agent.flow-table-full'], undefined)
  const walked = world.counter('packets.walked')
  world.exchange('a', unicast(0, 1))
  assert.equal(world.counter('packets.walked'), walked) // the one in use was kept
})

test('after a stop nothing ticks', async () => {
  const { world, host } = open()
  await host.stop(false)
  const { waiting } = world.clock
  world.settle(5000)
  assert.ok(world.clock.waiting <= waiting)
  assert.equal(world.counter('flows.expired'), 0)
})

// --- adoption ------------------------------------------------------------------------------------

interface Life {
  readonly host: Host
  readonly datapath: SurvivingDatapath
  readonly counters: CounterTable
  sends(n: number, frame: Uint8Array): number[] // interfaces it comes out of
}

function live(
  store: WorldStore,
  clock: VirtualClock,
  session: string,
  before: SurvivingDatapath | null,
  delayMs: (interest: Interest) => number = () => 0
): Life {
  const out: number[] = []
  const datapath = new SurvivingDatapath(
    { output: ifindex => out.push(ifindex), tunnel: () => {} },
    { now: () => clock.now(), flowsMax: 1000 }
  )
  if (before !== null) datapath.inherit(before)
  const common = {
    up: true,
    mtu: 1500,
    mac: MACS[0]!,
    kind: 'veth',
    peerElsewhere: false,
    addresses: []
  }
  const list = (): Interface[] =>
    ['a', 'b'].map((name, i) => ({ ...common, name, ifindex: i + 10 }))
  const counters = new CounterTable()
  const link = store.link(session, () => host.view)
  const host: Host = new Host({
    ...{ host: 'h', plugins: PLUGINS, datapath, clock, counters, log: silentLog() },
    assembly,
    watcher: { list, onChange: () => {}, leadOut: () => new Set(), close: () => {} },
    link: {
      ...link,
      want: interest => clock.after(delayMs(interest), () => link.want(interest))
    },
    random: new SeededRandom(1),
    settings: defaults,
    maintenance: SETTINGS,
    burstBytes: 65_536
  })
  void host.start()
  const sends = (n: number, frame: Uint8Array): number[] => {
    out.length = 0
    datapath.input(n + 10, frame)
    clock.advance(1)
    return [...out]
  }
  return { host, datapath, counters, sends }
}

// One life learns; gives what it left in the kernel, and the store.
function firstLife() {
  const clock = new VirtualClock()
  const store = new WorldStore(clock)
  for (const { kind, value } of OBJECTS) store.put(kind, value)
  const life = live(store, clock, 'first', null)
  clock.advance(1)
  life.sends(0, unicast(0, 1))
  life.sends(1, unicast(1, 0))
  assert.deepEqual(life.sends(0, unicast(0, 1)), [11])
  life.host.maintenance.stop()
  return { clock, store, left: life.datapath }
}

test('flows of an earlier agent go on forwarding, and are kept once the walk agrees', () => {
  const { clock, store, left } = firstLife()
  const { host, counters, sends } = live(store, clock, 'second', left)
  assert.equal(host.maintenance.unconfirmed, 2)
  assert.deepEqual(sends(0, unicast(0, 1)), [11])
  assert.equal(counters.value('packets.walked'), 0)
  clock.advance(100)
  assert.equal(host.maintenance.unconfirmed, 0)
  assert.equal(counters.value('flows.adopted'), 2)
  assert.equal(host.worker.cache.size, 2)
})

test('a store that answers late takes no earlier flow away', () => {
  for (const late of ['host', 'active/h']) // the bindings of the host, the activity of ports
    for (const lateMs of [300, 60_000]) {
      const { clock, store, left } = firstLife()
      const slow = (interest: Interest): boolean =>
        'table' in interest
          ? interest.table === late
          : 'field' in interest && interest.field === late
      const { host, counters, sends } = live(store, clock, 'second', left, interest =>
        slow(interest) ? lateMs : 0
      )
      clock.advance(lateMs - 10)
      assert.equal(counters.value('flows.disowned'), 0)
      assert.deepEqual(sends(0, unicast(0, 1)), [11])
      clock.advance(100)
      assert.equal(host.maintenance.unconfirmed, 0)
      assert.equal(counters.value('flows.adopted'), 2)
    }
})

test('a topology change reaches an adopted flow', () => {
  const { clock, store, left } = firstLife()
  const { counters, sends } = live(store, clock, 'second', left)
  clock.advance(100)
  store.put('port', { ...store.get('port', 'b')!, adminStateUp: false })
  clock.advance(1)
  assert.deepEqual(sends(0, unicast(0, 1)), [])
  assert.ok(counters.value('drop.simulation.port-down') >= 1)
})

test('an earlier flow that the topology of today would not make is taken out', () => {
  const { clock, store, left } = firstLife()
  store.put('port', { ...store.get('port', 'b')!, adminStateUp: false })
  const { host, counters, datapath, sends } = live(store, clock, 'second', left)
  clock.advance(100)
  assert.deepEqual(sends(0, unicast(0, 1)), [])
  assert.equal(counters.value('flows.adopted'), 0)
  assert.equal(counters.value('flows.disowned'), 2)
  assert.equal(host.worker.cache.size, datapath.counters().flows)
})

test('an earlier flow of an interface that is nothing any more is let go', () => {
  const { clock, store, left } = firstLife()
  store.delete('port', 'a')
  const { host, counters } = live(store, clock, 'second', left)
  clock.advance(1000)
  assert.equal(host.maintenance.unconfirmed, 0)
  assert.equal(counters.value('flows.adopted'), 0)
  assert.equal(host.worker.cache.size, 0)
})

test('an interface that was unbound while no agent was there is left alone', () => {
  const { clock, store, left } = firstLife()
  store.delete('port', 'a')
  const { datapath, sends } = live(store, clock, 'second', left)
  clock.advance(100)
  const before = datapath.counters().rx
  sends(0, unicast(0, 1))
  assert.equal(datapath.counters().rx, before)
  sends(1, unicast(1, 0))
  assert.equal(datapath.counters().rx, before! + 1)
})
