// The kernel's parser and TypeScript's give the same key for the same frame, sound or broken.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SeededRandom } from '../../src/core/random.ts'
import { extract } from '../../src/flow/extract.ts'
import { WORDS } from '../../src/flow/key.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { randomPacket } from '../fuzz/packets.ts'
import { FrameBench, hex, until } from './datapath-frames.ts'
import { canRun } from './datapath-lab.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const FRAMES_MAX = 1500

// An authentication header of so many words more than two, and bytes that may be a port or a flag.
const behindAh = (ip: PacketBuilder, next: number, words: number): Uint8Array =>
  ip.payload(Uint8Array.of(next, words, ...Array.from({ length: 62 }, (_, i) => i))).frame()

const table: Record<string, Uint8Array> = {
  'TCP with flags': eth(A, B).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2, { flags: 0x12 }).frame(),
  'UDP behind options': eth(A, B)
    .ipv4('10.0.0.1', '10.0.0.2', { options: new Uint8Array(8).fill(1) })
    .udp(53, 1053)
    .payload(5)
    .frame(),
  'echo request': eth(A, B).ipv4('10.0.0.1', '10.0.0.2').icmpEcho(0xbeef, 1).payload(8).frame(),
  'echo reply': eth(A, B).ipv4('10.0.0.1', '10.0.0.2').icmpEcho(0xbeef, 1, { reply: true }).frame(),
  unreachable: eth(A, B).ipv4('10.0.0.1', '10.0.0.2').icmp(3, 1, 0x12345678).frame(),
  'v6 echo behind options': eth(A, B)
    .ipv6('fd00::1', 'fd00::2')
    .extension('hop-by-hop')
    .extension('destination')
    .icmpv6Echo(7, 1)
    .frame(),
  'v6 routing header': eth(A, B).ipv6('fd00::1', 'fd00::2').extension('routing').udp(1, 2).frame(),
  'first fragment': eth(A, B).ipv6('fd00::1', 'fd00::2').fragment6(1, 0, true).udp(1, 2).frame(),
  'later fragment': eth(A, B).ipv6('fd00::1', 'fd00::2').fragment6(1, 64, true, 17).frame(),
  'tagged TCP': eth(A, B).vlan(100, 5).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2).frame(),
  'QinQ v6': eth(A, B).qinq(200).vlan(10).ipv6('fd00::1', 'fd00::2').udp(1, 2).frame(),
  'three tags': eth(A, B).qinq(1).vlan(2).vlan(3).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).frame(),
  ARP: eth(A, B).arpRequest(A, '10.0.0.1', '10.0.0.2').frame(),
  'tagged ARP': eth(A, B).vlan(9).arpRequest(A, '10.0.0.1', '10.0.0.2').frame(),
  'AH before TCP': behindAh(eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { protocol: 51 }), 6, 1),
  'AH that leads nowhere': behindAh(
    eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { protocol: 51 }),
    6,
    99
  ),
  'v6 AH before UDP': behindAh(eth(A, B).ipv6('fd00::1', 'fd00::2', { nextHeader: 51 }), 17, 1),
  'v6 AH that leads nowhere': behindAh(
    eth(A, B).ipv6('fd00::1', 'fd00::2', { nextHeader: 51 }),
    17,
    99
  ),
  'a timestamp': eth(A, B).ipv4('10.0.0.1', '10.0.0.2').icmp(13, 0, 0xbeef0001).payload(12).frame(),
  'bare Ethernet': eth(A, B, 0x88b5).payload(20).frame(),
  'TCP cut short': eth(A, B).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2).frame().slice(0, 50)
}

describe('datapath: the parser', { skip: canRun }, () => {
  let at: FrameBench
  before(() => {
    at = new FrameBench(1)
  })
  after(() => at.close())

  const agree = (frame: Uint8Array, seen: Int32Array, what: string): void => {
    const words = new Int32Array(WORDS)
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    extract(words, 0, at.ports[0]!, 0, 0, view, 0, frame.length)
    assert.deepEqual([...seen], [...words], `${what}: ${hex(frame)}`)
  }

  for (const [name, frame] of Object.entries(table))
    test(name, async () => {
      at.send(0, frame)
      const seen = await at.upcalls(1)
      assert.equal(seen.length, 1)
      assert.equal(hex(seen[0]!.bytes), hex(frame))
      agree(frame, seen[0]!.key, name)
    })

  test('a thousand random frames, whole, cut and damaged', async () => {
    const random = new SeededRandom(7)
    const draw = (below: number): number => random.below(below)
    let compared = 0
    for (let round = 0; round < 20; round++) {
      const frames: Uint8Array[] = []
      while (frames.length < 60) {
        let frame = randomPacket(draw).frame()
        if (frame.length > FRAMES_MAX) continue
        if (draw(4) === 0) frame = frame.slice(0, 20 + draw(frame.length))
        if (draw(4) === 0) frame[14 + draw(Math.max(1, frame.length - 14))] = draw(256)
        if (frame.length >= 22) frames.push(frame)
      }
      const last = eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(round, 7).payload(77).frame()
      frames.push(last)
      at.send(0, ...frames)
      await until(() => at.under.seen.some(({ bytes }) => hex(bytes) === hex(last)))
      const seen = await at.upcalls(0)
      // the kernel itself drops a few frames with tags cut short; order is kept
      let next = 0
      for (const { bytes, key } of seen) {
        while (next < frames.length && hex(frames[next]!) !== hex(bytes)) next++
        assert.ok(next < frames.length, `a frame nobody sent: ${hex(bytes)}`)
        agree(bytes, key, `round ${round}`)
        compared++
      }
    }
    assert.ok(compared > 1100, `${compared} compared`)
  })
})
