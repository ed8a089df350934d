// What a key says of a frame: every protocol, and nothing a damaged header does not say.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { parseIp } from '../wire/address.ts'
import { arpRequest, eth, type PacketBuilder, solicit } from '../wire/builder.ts'
import { extract } from './extract.ts'
import { Fragment, IP_OPTIONS, VLAN_PRESENT, WORDS, Word } from './key.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'

function keyOf(frame: Uint8Array, at = 0): Int32Array {
  const words = new Int32Array(WORDS)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  extract(words, 0, 5, 6, 7, view, at, frame.length)
  return words
}

type Expected = Partial<Record<keyof typeof Word | 'src' | 'dst', number | string>>

// The key of a frame: what is named, and 0 everywhere else.
function assertKey(frame: Uint8Array, expected: Expected): void {
  const words = new Int32Array(WORDS)
  words.set([5, 6, 7])
  words[Word.ethDstHi] = 0x02000000
  words[Word.ethMid] = 0x000b0200
  words[Word.ethSrcLo] = 0x0000000a
  for (const [field, value] of Object.entries(expected))
    if (field === 'src') words.set(parseIp(String(value)).words, Word.ipSrc)
    else if (field === 'dst') words.set(parseIp(String(value)).words, Word.ipDst)
    else words[Word[field as keyof typeof Word]] = Number(value)
  assert.deepEqual(keyOf(frame), words)
}

const v4 = (options = {}): PacketBuilder =>
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { ttl: 64, tos: 16, ...options })
const v6 = (): PacketBuilder =>
  eth(A, B).ipv6('2001:db8::1', '2001:db8::2', { hopLimit: 64, trafficClass: 16 })
const IPV4 = { typeId: 0x0800 << 16, src: '10.0.0.1', dst: '10.0.0.2' }
const IPV6 = { typeId: 0x86dd << 16, src: '2001:db8::1', dst: '2001:db8::2' }
const misc = (protocol: number, fragment: number = Fragment.none): number =>
  (protocol << 24) | (16 << 16) | (64 << 8) | fragment
const ports = (src: number, dst: number): number => (src << 16) | dst

test('UDP and TCP give their ports, TCP its flags', () => {
  const l4Ports = ports(1000, 53)
  assertKey(v4().udp(1000, 53).frame(), { ...IPV4, ipMisc: misc(17), l4Ports })
  assertKey(v6().udp(1000, 53).frame(), { ...IPV6, ipMisc: misc(17), l4Ports })
  const l4Misc = 0x12
  assertKey(v4().tcp(1000, 53, { flags: 'SA' }).frame(), {
    ...IPV4,
    ...{ ipMisc: misc(6), l4Ports, l4Misc }
  })
  assertKey(v6().tcp(1000, 53, { flags: 'SA' }).frame(), {
    ...IPV6,
    ...{ ipMisc: misc(6), l4Ports, l4Misc }
  })
})

test('ICMP gives type and code, and the identifier of an echo only', () => {
  const v4Id = (0x0800 << 16) | 99
  assertKey(v4().icmpEcho(99, 1).frame(), {
    ...{ ...IPV4, typeId: v4Id },
    ...{ ipMisc: misc(1), l4Ports: ports(8, 0) }
  })
  assertKey(v4().icmpEcho(99, 1, { reply: true }).frame(), {
    ...{ ...IPV4, typeId: v4Id },
    ipMisc: misc(1)
  })
  assertKey(v4().icmp(3, 4, 0xffffffff).frame(), {
    ...{ ...IPV4, ipMisc: misc(1) },
    l4Ports: ports(3, 4)
  })
  assertKey(v6().icmpv6Echo(99, 1).frame(), {
    ...{ ...IPV6, typeId: (0x86dd << 16) | 99 },
    ...{ ipMisc: misc(58), l4Ports: ports(128, 0) }
  })
  assertKey(v6().icmpv6(2, 0, 1280).frame(), {
    ...{ ...IPV6, ipMisc: misc(58) },
    l4Ports: ports(2, 0)
  })
})

test('ARP gives operation and both addresses, ND its type', () => {
  const words = keyOf(arpRequest(A, '10.0.0.1', '10.0.0.9').frame())
  assert.deepEqual(
    [words[Word.typeId], words[Word.ipMisc], words[Word.ipSrc + 3], words[Word.ipDst + 3]],
    [0x0806 << 16, 1 << 24, 0x0a000001, 0x0a000009]
  )
  const nd = keyOf(solicit(A, 'fe80::1', 'fe80::2').frame())
  assert.equal(nd[Word.l4Ports], ports(135, 0))
})

test('tags are told apart from what is behind them; a third one is the type', () => {
  const tagged = eth(A, B).vlan(10, 5).ipv4('10.0.0.1', '10.0.0.2', { ttl: 64, tos: 16 })
  const outer = (0xa000 | 10 | VLAN_PRESENT) << 16
  assertKey(tagged.udp(1, 2).frame(), {
    ...{ ...IPV4, ipMisc: misc(17) },
    ...{ l4Ports: ports(1, 2), vlans: outer }
  })
  const two = eth(A, B).qinq(20).vlan(10).payload(10).frame()
  assertKey(two, {
    ...{ typeId: 0x88b5 << 16 },
    vlans: ((20 | VLAN_PRESENT) << 16) | 10 | VLAN_PRESENT
  })
  assert.equal(
    keyOf(eth(A, B).qinq(3).vlan(2).vlan(1).payload(4).frame())[Word.typeId],
    0x8100 << 16
  )
})

test('options and extension headers are passed over', () => {
  const options = Uint8Array.of(148, 4, 0, 0)
  const l4Ports = ports(7, 8)
  const passed = { ...IPV4, ipMisc: misc(17), l4Ports, l4Misc: IP_OPTIONS }
  assertKey(v4({ options }).udp(7, 8).frame(), passed)
  const long = v6().extension('hop-by-hop').extension('routing').extension('destination')
  assertKey(long.udp(7, 8).frame(), { ...IPV6, ipMisc: misc(17), l4Ports })
})

test('a first fragment shows its ports, a later one has none', () => {
  const more = { moreFragments: true }
  const first = misc(17, Fragment.first)
  const later = misc(17, Fragment.later)
  assertKey(v4(more).udp(7, 8).frame(), { ...IPV4, ipMisc: first, l4Ports: ports(7, 8) })
  assertKey(v4({ fragmentOffset: 8, protocol: 17 }).payload(20).frame(), { ...IPV4, ipMisc: later })
  assertKey(v6().fragment6(1, 0, true).udp(7, 8).frame(), {
    ...{ ...IPV6, ipMisc: first },
    l4Ports: ports(7, 8)
  })
  assertKey(v6().fragment6(1, 8, false, 17).payload(20).frame(), { ...IPV6, ipMisc: later })
})

test('an atomic fragment (RFC 6946) is none', () => {
  const atomic = v6().fragment6(1, 0, false).udp(7, 8).frame()
  assertKey(atomic, { ...IPV6, ipMisc: misc(17), l4Ports: ports(7, 8) })
})

const FRAMES = [
  v4().udp(1, 2).payload(8),
  v4({ options: Uint8Array.of(1, 1, 1, 1) }).tcp(1, 2, { mss: 1400 }),
  v4().icmpEcho(1, 2),
  v6().extension('hop-by-hop').tcp(1, 2),
  v6().fragment6(9, 0, true).udp(1, 2).payload(8),
  v6().icmpv6Echo(1, 2).payload(8),
  arpRequest(A, '10.0.0.1', '10.0.0.2'),
  eth(A, B).qinq(20).vlan(10).ipv6('::1', '::2').udp(1, 2)
].map(builder => builder.frame())

test('a frame cut short says what its whole headers say, at every length', () => {
  for (const frame of FRAMES) {
    const whole = keyOf(frame)
    for (let length = 0; length < frame.length; length++) {
      const words = keyOf(frame.slice(0, length))
      if (length < 14) assert.deepEqual(words, new Int32Array(WORDS))
      for (const [i, word] of words.entries())
        assert.ok(word === whole[i] || partOf(i, word, whole), `word ${i} at length ${length}`)
    }
  }
})

// Headers that do not hold together leave 0; a type behind a cut tag is the tag's own.
function partOf(i: number, word: number, whole: Int32Array): boolean {
  if (word === 0) return true
  if (i === Word.vlans) return word >>> 16 === whole[i]! >>> 16
  if (i === Word.typeId) return (word & 0xffff) === 0
  return i === Word.ipMisc
}

test('the frame may lie anywhere in its buffer, and so may the key', () => {
  for (const frame of FRAMES) {
    const moved = new Uint8Array(frame.length + 33)
    moved.set(frame, 33)
    assert.deepEqual(keyOf(moved, 33), keyOf(frame))
    const many = new Int32Array(3 * WORDS).fill(-1)
    const view = new DataView(frame.buffer)
    extract(many, WORDS, 5, 6, 7, view, 0, frame.length)
    assert.deepEqual(many.slice(WORDS, 2 * WORDS), keyOf(frame))
    assert.deepEqual(many.slice(2 * WORDS), new Int32Array(WORDS).fill(-1))
  }
})

test('no bytes make it throw, and equal bytes make equal keys', () => {
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 128 }),
    fc
      .tuple(
        fc.nat({ max: FRAMES.length - 1 }),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 6 })
      )
      .map(([n, edits]) => {
        const frame = FRAMES[n]!.slice()
        for (const [at, byte] of edits) frame[at % frame.length] = byte
        return frame
      })
  )
  fc.assert(
    fc.property(hostile, frame => {
      const words = keyOf(frame)
      assert.deepEqual(keyOf(frame.slice()), words)
      assert.equal(words[Word.maskId], 0)
      assert.ok((words[Word.ipMisc]! & 255) <= Fragment.unread)
    }),
    { seed: 1, numRuns: casesOf(2000) }
  )
})

test('B6: of a header whose sum is wrong nothing is known but that', () => {
  const frame = v4().udp(7, 8).frame()
  frame[24]! ^= 1
  assertKey(frame, { typeId: IPV4.typeId, ipMisc: Fragment.unread })
})
