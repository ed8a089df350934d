// The one test every datapath passes: MemoryDatapath (src/datapath/memory/memory.test.ts) and the
// kernel's (test/lab/datapath-conformance.test.ts).  A rig says how frames get to its interfaces
// and what came out of them; everything else is asked of the Datapath interface.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SeededRandom } from '../../src/core/random.ts'
import { ActionList, ActionType } from '../../src/flow/actions.ts'
import { WORDS, Word } from '../../src/flow/key.ts'
import { rewrite } from '../../src/flow/rewrite.ts'
import { eth } from '../../src/wire/builder.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as vlan from '../../src/wire/vlan.ts'
import { randomPacket } from '../fuzz/packets.ts'
import { A, ALL, B, C, Ground, HIGH, hex, IN, list, type Open, texts, udp, udp6 } from './ground.ts'
import { headers } from './headers.ts'
import { sizes } from './sizes.ts'
import { stateful } from './stateful.ts'
import { mask } from './taker.ts'

export type { Arrival, Rig, RigOptions } from './ground.ts'

export function datapathConformance(name: string, open: Open, skip: string | false = false): void {
  describe(`datapath conformance: ${name}`, { skip }, () => {
    const at = new Ground(open)
    before(() => at.open())
    after(() => at.rig.close())
    const groups = [
      comesUp,
      matches,
      installs,
      edits,
      outputs,
      bounds,
      counts,
      stateful,
      sizes,
      headers
    ]
    for (const group of groups) group(at)
  })
}

const EDITS: Record<string, [number, number, number, number, number, number]> = {
  setEthDst: [ActionType.setEthDst, 0, 0x02000000, 0x0c0d, 0, 0],
  setEthSrc: [ActionType.setEthSrc, 0, 0x0200, 0x00000e0f, 0, 0],
  setIpSrc: [ActionType.setIpSrc, 0, 0x20010db8, 1, 2, 0x0a090909],
  setIpDst: [ActionType.setIpDst, 0, 0x20010db8, 3, 4, 0x0a080808],
  setTos: [ActionType.setTos, 0xb8, 0, 0, 0, 0],
  addTtl: [ActionType.addTtl, 0, -3, 0, 0, 0],
  setL4Src: [ActionType.setL4Src, 4321, 0, 0, 0, 0],
  setL4Dst: [ActionType.setL4Dst, 65535, 0, 0, 0, 0],
  setIcmpId: [ActionType.setIcmpId, 0xabcd, 0, 0, 0, 0],
  pushVlan: [ActionType.pushVlan, 100, 0x8100, 0, 0, 0],
  popVlan: [ActionType.popVlan, 0, 0, 0, 0, 0]
}
const SUBJECTS = [
  udp(),
  udp6(),
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2, { flags: 'S', mss: 1400 }).payload(31).frame(),
  eth(A, B).ipv6('2001:db8::1', '2001:db8::2').extension('destination').tcp(1, 2).frame(),
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2').icmpEcho(5, 6).payload(32).frame(),
  eth(A, B).ipv6('2001:db8::1', '2001:db8::2').icmpv6Echo(5, 6).payload(32).frame(),
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { moreFragments: true }).udp(1, 2).payload(32).frame(),
  eth(A, B).vlan(9).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).payload(32).frame(),
  eth(A, B).arpRequest(A, '10.0.0.1', '10.0.0.2').frame(60)
]

// A damaged header with a true sum, lest only the sum be looked at.
function resum(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const l3 = vlan.typeAt(view, 0, frame.length) + 2
  if (ipv4.fits(view, l3, frame.length)) ipv4.complete(view, l3)
}

// What comes up, and with which key.
function comesUp(at: Ground): void {
  test('a frame without a flow comes up once, whole, with its key', async () => {
    await at.fresh()
    at.rig.send(1, udp())
    const [seen] = await at.taker.upcalls(1)
    assert.equal(hex(seen!.bytes), hex(udp()))
    assert.deepEqual([seen!.ifindex, seen!.reason], [at.rig.ports[1], 0])
    assert.deepEqual(seen!.key, at.keyOf(udp(), 1))
    assert.deepEqual(await at.rig.arrivals(0), [])
  })

  test('keys are those of src/flow/extract.ts, for sound and for damaged frames', async () => {
    await at.fresh()
    const random = new SeededRandom(11)
    const draw = (below: number): number => random.below(below)
    for (let round = 0; round < 20; round++) {
      const frames: Uint8Array[] = []
      while (frames.length < 32) {
        const frame = randomPacket(draw).frame(60)
        if (draw(3) === 0) frame[12 + draw(frame.length - 12)] = draw(256)
        if (draw(2) === 0) resum(frame)
        if (frame.length <= 1500) frames.push(frame)
      }
      at.rig.send(0, ...frames)
      const seen = await at.taker.upcalls(frames.length)
      assert.equal(seen.length, frames.length)
      for (const [i, { key }] of seen.entries())
        assert.deepEqual(key, at.keyOf(frames[i]!), describeFrame(frames[i]!))
    }
  })
}

// Which frames a flow takes.
function matches(at: Ground): void {
  test('a flow takes every frame its mask lets in, and no other', async () => {
    await at.fresh()
    const port53 = mask({ [Word.inPort]: ALL, [Word.l4Ports]: 0xffff })
    assert.equal(at.flows.install(at.keyOf(udp()), port53, list(at.out(1))), 1)
    const other = eth(B, A).ipv4('10.9.9.9', '10.8.8.8', { tos: 8 }).udp(7, 53).payload(9).frame()
    const off = eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(1000, 54).payload(20).frame()
    at.rig.send(0, udp(), other, off, udp6())
    const wanted = [udp(), other, udp6()].map(frame => `1 ${hex(frame)}`)
    assert.deepEqual(texts(await at.rig.arrivals(3)), wanted)
    assert.deepEqual(
      (await at.taker.upcalls(1)).map(({ bytes }) => hex(bytes)),
      [hex(off)]
    )
  })

  test('bits of a prefix are all that counts of an address', async () => {
    await at.fresh()
    const subnet = mask({ [Word.inPort]: ALL, [Word.ipDst + 3]: 0xfffffe00 | 0 })
    at.flows.install(at.keyOf(udp()), subnet, list(at.out(2)))
    const to = (ip: string): Uint8Array => eth(A, B).ipv4('10.0.0.1', ip).udp(1, 2).frame(60)
    at.rig.send(0, to('10.0.1.255'), to('10.0.2.0'))
    assert.deepEqual(texts(await at.rig.arrivals(1)), [`2 ${hex(to('10.0.1.255'))}`])
    assert.equal((await at.taker.upcalls(1)).length, 1)
  })

  test('flows of different masks stand side by side', async () => {
    await at.fresh()
    const masks = [
      mask({ [Word.inPort]: ALL, [Word.ethDstHi]: ALL, [Word.ethMid]: HIGH }),
      mask({ [Word.inPort]: ALL, [Word.typeId]: HIGH, [Word.ipMisc]: 0xff000000 | 0 }),
      mask({ [Word.inPort]: ALL, [Word.vlans]: ALL })
    ]
    const frames = [
      eth(A, C).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2).frame(60),
      eth(A, B).ipv4('10.0.0.1', '10.0.0.2').icmpEcho(1, 2).frame(60),
      eth(A, B).vlan(7).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).frame(60)
    ]
    for (const [i, frame] of frames.entries())
      at.flows.install(at.keyOf(frame), masks[i]!, list(at.out(1 + (i % 2))))
    at.rig.send(0, ...frames)
    const wanted = frames.map((frame, i) => `${1 + (i % 2)} ${hex(frame)}`)
    assert.deepEqual(texts(await at.rig.arrivals(3)).sort(), wanted.sort())
  })
}

// How flows come and go.
function installs(at: Ground): void {
  test('a flow is installed, replaced under the same key and mask, and removed', async () => {
    await at.fresh()
    const first = at.flows.install(at.keyOf(udp()), IN, list(at.out(1)))
    const again = at.flows.install(at.keyOf(udp()), IN, list(at.out(2)))
    assert.deepEqual([first, again], [1, 2])
    at.rig.send(0, udp())
    assert.deepEqual(texts(await at.rig.arrivals(1)), [`2 ${hex(udp())}`])
    at.flows.clear()
    at.rig.send(0, udp())
    assert.equal((await at.taker.upcalls(1)).length, 1)
    assert.deepEqual(await at.rig.arrivals(0), [])
  })

  test('a flow without actions drops, and nothing comes up', async () => {
    await at.fresh()
    at.flows.install(at.keyOf(udp()), IN, list())
    at.rig.send(0, udp(), udp())
    assert.deepEqual(await at.rig.arrivals(0), [])
    assert.deepEqual(await at.taker.upcalls(0), [])
  })
}

// What each action does.
function edits(at: Ground): void {
  for (const [action, [type, a, w0, w1, w2, w3]] of Object.entries(EDITS))
    test(`${action} does to a frame what src/flow/rewrite.ts does`, async () => {
      const edit = list(actions => actions.push(type | (a << 16), w0, w1, w2, w3))
      for (const frame of SUBJECTS) {
        await at.fresh()
        const actions = list(each => each.copy(edit), at.out(1))
        at.flows.install(at.keyOf(frame), IN, actions)
        at.rig.send(0, frame)
        const wanted = [`1 ${hex(rewrite(frame, edit))}`]
        assert.deepEqual(texts(await at.rig.arrivals(1)), wanted, describeFrame(frame))
      }
    })
}

// Many outputs, TTL, and frames sent out.
function outputs(at: Ground): void {
  for (const count of [2, 9, 300])
    test(`${count} outputs, each after an edit of its own`, async () => {
      await at.fresh()
      const actions = new ActionList()
      const wanted: string[] = []
      for (let i = 0; i < count; i++) {
        const edit = list(each => each.push(ActionType.setL4Src | ((2000 + i) << 16)))
        actions.append(edit, 0)
        actions.output(at.rig.ports[1 + (i % 2)]!)
        wanted.push(`${1 + (i % 2)} ${hex(rewrite(udp(), edit))}`)
      }
      at.flows.install(at.keyOf(udp()), IN, actions)
      at.rig.send(0, udp())
      assert.deepEqual(texts(await at.rig.arrivals(count)).sort(), wanted.sort())
    })

  test('a frame whose TTL would run out comes up; one more hop and it stays', async () => {
    await at.fresh()
    const minus2 = list(actions => actions.push(ActionType.addTtl, -2), at.out(1))
    at.flows.install(at.keyOf(udp()), IN, minus2, 2)
    at.rig.send(0, udp(1, 2), udp(2, 3), udp(3, 1))
    const seen = await at.taker.upcalls(2)
    assert.deepEqual(
      seen.map(({ reason }) => reason),
      [1, 1]
    )
    assert.deepEqual(
      seen.map(({ bytes }) => hex(bytes)),
      [hex(udp(1, 2)), hex(udp(3, 1))]
    )
    assert.deepEqual(texts(await at.rig.arrivals(1)), [`1 ${hex(udp(2, 1))}`])
  })

  test('a frame is sent by actions, from a burst and of our own making, in order', async () => {
    await at.fresh()
    const edit = list(actions => actions.push(ActionType.setTos | (0x10 << 16)))
    const actions = list(at.out(1), each => each.append(edit, 0), at.out(2))
    for (let n = 0; n < 5; n++) at.rig.datapath.inject(udp(n), actions)
    at.rig.datapath.flush()
    const arrivals = await at.rig.arrivals(10)
    const outOf = (port: number): string[] =>
      arrivals.filter(each => each.port === port).map(({ bytes }) => hex(bytes))
    const frames = [0, 1, 2, 3, 4].map(n => udp(n))
    assert.deepEqual(outOf(1), frames.map(hex))
    assert.deepEqual(
      outOf(2),
      frames.map(frame => hex(rewrite(frame, edit)))
    )
    at.taker.answer = list(at.out(2))
    at.rig.send(0, udp(9))
    assert.deepEqual(texts(await at.rig.arrivals(1)), [`2 ${hex(udp(9))}`])
    at.taker.answer = null
  })
}

// What one port may take of the agent.
function bounds(at: Ground): void {
  test("a port's misses are bounded by its credits, and others do not notice", async () => {
    await at.fresh()
    at.taker.isPaused = true
    const before = at.rig.datapath.counters()['no-credit'] ?? 0
    at.rig.send(0, ...Array.from({ length: 200 }, (_, n) => udp(n)))
    at.rig.send(1, udp(777))
    await at.rig.until(() => (at.rig.datapath.counters()['no-credit'] ?? 0) >= before + 136)
    at.taker.isPaused = false
    at.taker.drain()
    const seen = await at.taker.upcalls(65)
    const from = (port: number): number =>
      seen.filter(({ ifindex }) => ifindex === at.rig.ports[port]).length
    assert.deepEqual([from(0), from(1)], [64, 1])
    at.taker.drain() // gives the last burst's credits back
    at.rig.send(0, udp())
    assert.equal((await at.taker.upcalls(1)).length, 1)
  })
}

// Use, room, and interfaces that go.
function counts(at: Ground): void {
  test('the use of a flow is counted in packets and bytes', async () => {
    await at.fresh()
    at.flows.install(at.keyOf(udp()), IN, list(at.out(1)))
    at.rig.send(0, udp(1), udp(2), udp(3))
    await at.rig.arrivals(3)
    const use = at.flows.statsOf()
    assert.deepEqual([use?.packets, use?.bytes], [3, 3 * udp().length])
    at.flows.install(at.keyOf(udp(), 1), IN, list(at.out(1)))
    assert.equal(at.flows.statsOf()?.packets ?? 0, 0)
  })

  test('a full table refuses, and takes a flow again when another has gone', async () => {
    await at.fresh()
    const one = mask({ [Word.l4Ports]: ALL })
    const key = (n: number): Int32Array => {
      const words = new Int32Array(WORDS)
      words[Word.l4Ports] = n
      return words
    }
    const { flowsMax } = at.rig.datapath.limits
    const results = Array.from({ length: flowsMax + 1 }, (_, n) =>
      at.flows.install(key(n), one, list(at.out(1)))
    )
    assert.ok(results.slice(0, flowsMax).every(result => result === 1))
    assert.equal(results[flowsMax], 0)
    assert.equal(at.flows.install(key(1), one, list(at.out(2))), 2)
    at.flows.clear()
    assert.equal(at.flows.install(key(flowsMax), one, list(at.out(1))), 1)
  })

  test('a detached interface gives nothing; attached again it does', async () => {
    await at.fresh()
    const [, , third] = at.rig.ports
    at.rig.datapath.detach(third!)
    at.rig.datapath.detach(third!)
    at.rig.send(2, udp(1))
    assert.deepEqual(await at.rig.arrivals(0), [])
    assert.deepEqual(await at.taker.upcalls(0), [])
  })
}
