// What the kernel's flow table does beside forwarding: TTL and MTU exceptions, credits, statistics,
// many masks, replacement, removal. (A life longer than the process's: datapath-pins.test.ts.)

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { FlowBatch, PortClass, Reason, StatsBatch } from '../../src/datapath/datapath.ts'
import { ActionList } from '../../src/flow/actions.ts'
import { Word } from '../../src/flow/key.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { FrameBench, until } from './datapath-frames.ts'
import { canRun, type Mask, maskOf } from './datapath-lab.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const udp = (port: number, ttl = 64): PacketBuilder =>
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { ttl }).udp(port, 7)
const frames = (n: number, from = 1000): Uint8Array[] =>
  Array.from({ length: n }, (_, i) => udp(from + i).frame())
const L4: Mask = maskOf(Word.inPort, Word.tunnelKey, Word.l4Ports)

describe('datapath: the flow table', { skip: canRun }, () => {
  let at: FrameBench
  before(() => {
    at = new FrameBench(3, { creditsPerPort: 32, flowsMax: 512 })
  })
  afterEach(() => {
    at.under.forget()
    at.under.seen.length = 0
    at.outside.seen.length = 0
  })
  after(() => at.close())

  const forward = (mask: Mask): void =>
    at.decide((_, into) => {
      into.output(at.ports[1]!)
      return mask
    })
  const stats = (): StatsBatch => {
    const batch = new StatsBatch()
    at.datapath.stats(batch, 0)
    return batch
  }

  test('n packets of a flow make one upcall, and are counted', async () => {
    forward(L4)
    at.send(0, udp(1).payload(10).frame())
    await at.arrivals(1)
    for (let i = 0; i < 20; i++) at.send(0, udp(1).payload(10).frame())
    assert.equal((await at.arrivals(20)).length, 20)
    assert.equal((await at.upcalls(1)).length, 1)
    const batch = stats()
    assert.equal(batch.count, 1)
    assert.equal(batch.packets[0], 20)
    assert.equal(batch.bytes[0], 20 * 52)
    assert.ok(Math.abs(batch.usedMs[0]! - performance.now()) < 10_000)
  })

  test('statistics start again when an id is used again', async () => {
    forward(L4)
    at.send(0, udp(1).frame())
    await at.arrivals(1)
    at.send(0, udp(1).frame())
    await at.arrivals(1)
    const batch = new FlowBatch(1)
    const [seen] = await at.upcalls(1)
    const id = stats().ids[0]!
    const actions = new ActionList()
    actions.output(at.ports[1]!)
    batch.add(id, seen!.key, L4.words, 0, actions)
    at.datapath.install(batch)
    assert.equal(batch.result[0], 2)
    assert.equal(stats().packets[0], 0)
  })

  test('a TTL that would run out comes up, whatever the flow', async () => {
    at.decide((_, into) => {
      into.output(at.ports[1]!)
      return { ...L4, ttlMin: 2 }
    })
    at.send(0, udp(1).frame())
    await at.arrivals(1)
    await at.upcalls(1)
    at.decide(() => null)
    at.send(0, udp(1, 2).frame(), udp(1, 1).frame(), udp(1, 3).frame())
    assert.equal((await at.arrivals(1)).length, 1)
    const up = await at.upcalls(2)
    assert.deepEqual(
      up.map(({ reason, key }) => [reason, (key[Word.ipMisc]! >>> 8) & 255]),
      [
        [Reason.ttl, 2],
        [Reason.ttl, 1]
      ]
    )
  })

  test('a removed flow no longer forwards; a replaced one does as it is told last', async () => {
    forward(L4)
    at.send(0, udp(5).frame())
    await at.arrivals(1)
    const [seen] = await at.upcalls(1)
    const actions = new ActionList()
    for (let i = 0; i < 40; i++) actions.output(at.ports[2]!)
    assert.equal(at.under.install(seen!.key, L4, actions), 2)
    at.send(0, udp(5).frame())
    const arrivals = await at.arrivals(40)
    assert.equal(arrivals.length, 40)
    assert.ok(arrivals.every(({ port }) => port === 2))
    assert.equal(at.datapath.counters().flows, 1)
    at.under.forget()
    assert.equal(at.datapath.counters().flows, 0)
    assert.equal(at.datapath.counters().chunks, 0)
    at.decide(() => null)
    at.send(0, udp(5).frame())
    assert.equal((await at.upcalls(1))[0]!.reason, Reason.miss)
  })

  test('misses beyond the credits are dropped in the kernel; others do not notice', async () => {
    const before = at.datapath.counters()['no-credit']!
    at.decide(() => null)
    at.send(0, ...frames(100))
    at.send(1, udp(9).frame())
    // Nobody reads, and so gives credits back, before all have arrived: this thread stays here.
    const refused = (): number => at.datapath.counters()['no-credit']! - before
    const pause = new Int32Array(new SharedArrayBuffer(4))
    for (let ms = 0; refused() < 68 && ms < 10_000; ms++) Atomics.wait(pause, 0, 0, 1)
    const up = await at.upcalls(33)
    assert.equal(up.filter(({ ifindex }) => ifindex === at.ports[0]).length, 32)
    assert.equal(up.filter(({ ifindex }) => ifindex === at.ports[1]).length, 1)
    assert.equal(refused(), 68)
    at.send(0, ...frames(32))
    assert.equal((await at.upcalls(32)).length, 32, 'credits are given back')
  })

  test('flows under many masks are found, by the mask cache too', async () => {
    // Each to a destination of its own: the cache guesses by what a packet's way depends on.
    const to = (i: number): Uint8Array =>
      eth(A, B)
        .ipv4('10.0.0.1', `10.0.${i}.2`)
        .udp(100 + i, 7)
        .frame()
    const masks: Mask[] = []
    for (let bits = 1; bits <= 40; bits++) {
      const words = new Int32Array(20)
      words[Word.inPort] = -1
      words[Word.l4Ports] = -1
      words[Word.ipSrc + 3] = bits > 32 ? -1 : -1 << (32 - bits)
      words[Word.ipDst + 3] = bits > 32 ? -1 << (40 - bits) : 0
      masks.push({ words })
    }
    for (let i = 0; i < masks.length; i++) {
      at.decide((_, into) => {
        into.output(at.ports[1]!)
        return masks[i]!
      })
      at.send(0, to(i))
      assert.equal((await at.arrivals(1)).length, 1)
    }
    assert.equal(at.datapath.counters().masks, 40)
    at.under.seen.length = 0
    const { hits, 'mask-cache-hits': guessed } = at.datapath.counters()
    for (let round = 0; round < 3; round++) {
      at.send(0, ...masks.map((_, i) => to(i)))
      assert.equal((await at.arrivals(40)).length, 40)
    }
    assert.equal(at.datapath.counters().hits! - hits!, 120)
    assert.ok(at.datapath.counters()['mask-cache-hits']! - guessed! >= 40)
    at.under.forget()
    assert.equal(at.datapath.counters().masks, 0, 'slots are given back')
    at.decide(() => null)
    at.send(0, to(0))
    assert.equal((await at.upcalls(1)).length, 1, 'a cached mask does not outlive its flow')
  })

  test('when mask slots run out a flow is refused and counted', async () => {
    const actions = new ActionList()
    actions.output(at.ports[1]!)
    const key = new Int32Array(20)
    const results = new Map<number, number>()
    for (let i = 0; i < 130; i++) {
      const words = new Int32Array(20)
      words[Word.inPort] = -1
      words[Word.l4Ports] = i
      const result = at.under.install(key, { words }, actions)
      results.set(result, (results.get(result) ?? 0) + 1)
    }
    assert.deepEqual([...results].sort(), [
      [0, 2],
      [1, 128]
    ])
    assert.equal(at.datapath.counters()['masks-full'], 2)
  })

  test('a full table refuses', () => {
    const actions = new ActionList()
    actions.output(at.ports[1]!)
    const batch = new FlowBatch(600)
    const ids: number[] = []
    for (let i = 0; i < 600; i++) {
      const key = new Int32Array(20)
      key[Word.l4Ports] = i
      batch.add(i + 1, key, L4.words, 0, actions)
      ids.push(i + 1)
    }
    at.datapath.install(batch)
    assert.ok(batch.result.slice(0, 512).every(result => result === 1))
    assert.ok(batch.result.slice(512).every(result => result === 0))
    at.datapath.remove(batch)
    assert.ok(batch.result.slice(0, 512).every(result => result === 1))
    assert.equal(at.datapath.counters().flows, 0)
  })
})

describe('datapath: interfaces', { skip: canRun }, () => {
  test('events, addresses and MTU are seen without polling', async () => {
    const at = new FrameBench(1)
    try {
      const { interfaces } = at.datapath
      let changes = 0
      interfaces.onChange(() => changes++)
      at.bench.sh('h', 'ip link add name veth8 type veth peer name veth9')
      at.bench.sh('h', 'ip addr add 192.0.2.8/24 dev veth8')
      at.bench.sh('h', 'ip link set veth8 up mtu 1400')
      await until(() => interfaces.byName('veth8')?.up === true)
      const seen = interfaces.byName('veth8')!
      assert.deepEqual([seen.kind, seen.peerElsewhere, seen.mtu], ['veth', false, 1400])
      assert.deepEqual(seen.addresses, ['192.0.2.8'])
      assert.equal(interfaces.byName('h0')!.peerElsewhere, true)
      at.bench.sh('h', 'ip link del veth8')
      await until(() => interfaces.byName('veth8') === undefined)
      assert.equal(interfaces.byName('veth8'), undefined)
      assert.ok(changes > 0)
    } finally {
      at.close()
    }
  })

  test('an interface that does not exist is refused by name', () => {
    const at = new FrameBench(1)
    try {
      const port = { ifindex: 4711, name: 'nowhere', portClass: PortClass.vm, peerRedirect: false }
      assert.throws(() => at.datapath.attach(port), /nowhere.*ENODEV/)
    } finally {
      at.close()
    }
  })
})
