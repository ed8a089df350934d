// What the kernel's flow table outlives: the process that made it, another that adopts it, and
// programs that come and go at an interface.

import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { describe, test } from 'node:test'
import { Burst, FlowBatch, StatsBatch } from '../../src/datapath/datapath.ts'
import { ActionList } from '../../src/flow/actions.ts'
import { Word } from '../../src/flow/key.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { FrameBench, until } from './datapath-frames.ts'
import { canRun, datagram, type Mask, maskOf, netns } from './datapath-lab.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const udp = (port: number, ttl = 64): PacketBuilder =>
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { ttl }).udp(port, 7)
const L4: Mask = maskOf(Word.inPort, Word.tunnelKey, Word.l4Ports)

describe('datapath: across agents', { skip: canRun }, () => {
  const PINS = '/run/mz-dp-pins'
  const hooks = [
    { hook: 'tcx where there is one', clsact: false },
    { hook: 'clsact', clsact: true }
  ]
  for (const { hook, clsact } of hooks)
    test(`flows go on without the agent, and the next one adopts them: ${hook}`, async () => {
      const options = { pins: PINS, injectName: 'mzdp', creditsPerPort: 64, clsact }
      const at = new FrameBench(3, options)
      at.bench.directory(PINS)
      try {
        at.decide((_, into) => {
          for (let i = 0; i < 50; i++) into.output(at.ports[1]!)
          return { ...L4, ttlMin: 3 }
        })
        at.send(0, udp(1).frame())
        assert.equal((await at.arrivals(50)).length, 50)
        at.datapath.close(true)
        at.send(0, udp(1).frame())
        assert.equal((await at.arrivals(50)).length, 50, 'forwards with nobody there')

        const next = at.bench.open('h', options)
        assert.deepEqual(next.leftAttached().sort(), at.ports.slice().sort())
        const batch = new FlowBatch()
        let found = 0
        while (next.adopt(batch))
          for (let i = 0; i < batch.count; i++) {
            found++
            assert.equal(batch.ttlMin[i], 3)
            assert.equal(batch.actionCount[i], 50)
            assert.deepEqual([...batch.masks.subarray(0, 20)], [...L4.words])
            assert.equal(batch.keys[Word.l4Ports], (1 << 16) | 7)
          }
        assert.equal(found, 1)
        for (const port of [0, 1]) at.bench.attach('h', next, `h${port}`)
        next.detachOthers()
        at.bench.attach('h', next, 'h2')
        assert.deepEqual(next.leftAttached(), [])
        at.send(0, udp(1).frame())
        assert.equal((await at.arrivals(50)).length, 50, 'forwards with the new program')

        const actions = new ActionList()
        actions.output(at.ports[2]!)
        batch.clear()
        const key = new Int32Array(20)
        key[Word.inPort] = at.ports[0]!
        key[Word.l4Ports] = (1 << 16) | 7
        batch.add(77, key, L4.words, 0, actions)
        next.install(batch)
        assert.equal(batch.result[0], 2, 'it was there already')
        at.send(0, udp(1).frame())
        const [arrival] = await at.arrivals(1)
        assert.equal(arrival!.port, 2)
        assert.equal(next.counters().chunks, 0)
        assert.equal(next.counters().flows, 1)
        const burst = new Burst()
        at.send(0, udp(2).frame())
        await until(() => next.receive(burst) > 0)
        assert.equal(burst.count, 1, 'misses come up to the new agent')
      } finally {
        at.close()
      }
    })

  // Of a link whose pin goes last the kernel lets go when it likes.
  test('an interface let go and taken again at once forwards each packet once', async () => {
    const pins = '/run/mz-dp-pins4'
    const at = new FrameBench(2, { pins, injectName: 'mzdp', creditsPerPort: 64 })
    at.bench.directory(pins)
    try {
      at.decide((_, into) => {
        into.output(at.ports[1]!)
        return L4
      })
      for (let i = 0; i < 20; i++) {
        at.datapath.detach(at.ports[0]!)
        at.bench.attach('h', at.datapath, 'h0')
        at.send(0, udp(i).frame())
        assert.equal((await at.arrivals(1)).length, 1)
      }
      assert.deepEqual(at.datapath.leftAttached(), [])
    } finally {
      at.close()
    }
  })

  test('D12: pins of a namespace that is gone are no pins of ours', async () => {
    const pins = '/run/mz-dp-pins3'
    const options = { pins, injectName: 'mzdp', creditsPerPort: 64 }
    const at = new FrameBench(2, options)
    at.bench.directory(pins)
    const held = openSync(`/var/run/netns/${netns('h')}`, 'r')
    try {
      at.decide((_, into) => {
        into.output(at.ports[1]!)
        return L4
      })
      at.send(0, udp(1).frame())
      await at.arrivals(1)
      at.datapath.close(true)
      // The host begins anew; its old namespace lives on, with interfaces of the same numbers.
      at.bench.namespace('h', 'k')
      const far = { in: 'k', name: 'k0', address: ['10.9.0.1/24'] }
      at.bench.veth({ in: 'h', name: 'h0' }, far)
      const next = at.bench.open('h', options)
      assert.deepEqual(next.leftAttached(), [])
      assert.equal(next.adopt(new FlowBatch()), false)
      const ifindex = at.bench.attach('h', next, 'h0')
      assert.equal(ifindex, at.ports[0], 'as before')
      // A busy kernel tells a new interface late that it is up: it may lose what comes before.
      let received = 0
      for (let tries = 0; tries < 20 && received === 0; tries++) {
        await datagram('k', '10.9.0.2') // nobody is there: it asks for the MAC
        received = next.receive(new Burst(64 * 1024))
      }
      assert.ok(received > 0, 'what comes in comes up')
    } finally {
      closeSync(held)
      at.close()
    }
  })

  test('adopted flows that nobody installs again go', async () => {
    const pins = '/run/mz-dp-pins2'
    const options = { pins, injectName: 'mzdp' }
    const at = new FrameBench(2, options)
    at.bench.directory(pins)
    try {
      const actions = new ActionList()
      actions.output(at.ports[1]!)
      for (let i = 0; i < 600; i++) {
        const key = new Int32Array(20)
        key[Word.inPort] = at.ports[0]!
        key[Word.l4Ports] = i
        at.under.install(key, L4, actions)
      }
      at.datapath.close(true)
      const next = at.bench.open('h', options)
      const batch = new FlowBatch()
      let found = 0
      while (next.adopt(batch)) found += batch.count
      assert.equal(found, 600)
      next.stats(new StatsBatch(), 0)
      assert.equal(next.counters().masks, 0)
      next.close(true)
      const third = at.bench.open('h', options)
      assert.equal(third.adopt(batch), false)
    } finally {
      at.close()
    }
  })

  test('clsact serves where tcx is missing, and leaves nothing', async () => {
    const at = new FrameBench(2, { clsact: true })
    try {
      at.decide((_, into) => {
        into.output(at.ports[1]!)
        return L4
      })
      for (let i = 0; i < 2; i++) {
        at.send(0, udp(1).frame())
        assert.equal((await at.arrivals(1)).length, 1)
      }
      assert.match(at.bench.sh('h', 'tc filter show dev h0 ingress'), /bpf/)
      at.datapath.close(false)
      assert.equal(at.bench.sh('h', 'tc filter show dev h0 ingress').trim(), '')
    } finally {
      at.close()
    }
  })
})
