// Frames as zebra sends them, by hand: what RFC-less protocol there is, is in these bytes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { changesIn, FpmError, FpmReader } from './messages.ts'

const [NEW, DELETE] = [24, 25]
const [BGP, KERNEL] = [186, 2]

const u16 = (value: number): number[] => [value & 255, value >> 8]
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)]
const padded = (bytes: number[]): number[] => [
  ...bytes,
  ...Array((4 - (bytes.length & 3)) & 3).fill(0)
]
const attribute = (type: number, value: number[]): number[] =>
  padded([...u16(4 + value.length), ...u16(type), ...value])
const hop = (weight: number, ...attributes: number[][]): number[] => {
  const inside = attributes.flat()
  return [...u16(8 + inside.length), 0, weight - 1, ...u32(7), ...inside]
}

interface Route {
  readonly type?: number
  readonly family?: number
  readonly length: number
  readonly table?: number
  readonly protocol?: number
  readonly kind?: number
}

function message(route: Route, ...attributes: number[][]): number[] {
  const { type = NEW, family = 2, length, table = 254, protocol = BGP, kind = 1 } = route
  const body = [family, length, 0, 0, table, protocol, 0, kind, 0, 0, 0, 0, ...attributes.flat()]
  return padded([
    ...u32(16 + body.length),
    ...u16(type),
    ...u16(0x501),
    ...u32(1),
    ...u32(0),
    ...body
  ])
}

function frame(...messages: number[][]): Uint8Array {
  const body = messages.flat()
  const length = 4 + body.length
  return Uint8Array.from([1, 1, length >> 8, length & 255, ...body])
}

const read = (...bytes: Uint8Array[]) => {
  const reader = new FpmReader()
  return bytes.flatMap(each => reader.push(each))
}

const NET = attribute(1, [203, 0, 113, 0])
const VIA = attribute(5, [10, 9, 0, 2])

test('a route by one next hop, and that it is gone', () => {
  assert.deepEqual(read(frame(message({ length: 24 }, NET, VIA))), [
    [{ prefix: '203.0.113.0/24', hops: [{ gateway: '10.9.0.2', share: 1 }] }]
  ])
  assert.deepEqual(read(frame(message({ type: DELETE, length: 24 }, NET))), [
    [{ prefix: '203.0.113.0/24', hops: [] }]
  ])
})

test('what is taken back and put again in one frame is one change', () => {
  const both = frame(
    message({ type: DELETE, length: 24 }, NET),
    message({ length: 24 }, NET, attribute(5, [10, 9, 0, 3]))
  )
  assert.deepEqual(read(both), [
    [{ prefix: '203.0.113.0/24', hops: [{ gateway: '10.9.0.3', share: 1 }] }]
  ])
})

test('several next hops, with shares, though the attribute says that it is nested', () => {
  const hops = [...hop(1, VIA), ...hop(3, attribute(5, [10, 9, 1, 2]))]
  for (const type of [9, 9 | 0x8000])
    assert.deepEqual(read(frame(message({ length: 24 }, NET, attribute(type, hops)))), [
      [
        {
          prefix: '203.0.113.0/24',
          hops: [
            { gateway: '10.9.0.2', share: 1 },
            { gateway: '10.9.1.2', share: 3 }
          ]
        }
      ]
    ])
})

test('IPv6, the default route without a destination, and IPv4 by an IPv6 next hop', () => {
  const ip6 = (...words: number[]): number[] => words.flatMap(word => [word >> 8, word & 255])
  const peer = ip6(0xfd00, 9, 0, 0, 0, 0, 0, 2)
  const net = attribute(1, ip6(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0))
  assert.deepEqual(
    read(
      frame(message({ family: 10, length: 48 }, net, attribute(5, peer))),
      frame(message({ length: 0 }, VIA)),
      frame(message({ length: 24 }, NET, attribute(18, [...u16(10), ...peer])))
    ),
    [
      [{ prefix: '2001:db8:2::/48', hops: [{ gateway: 'fd00:9::2', share: 1 }] }],
      [{ prefix: '0.0.0.0/0', hops: [{ gateway: '10.9.0.2', share: 1 }] }],
      [{ prefix: '203.0.113.0/24', hops: [{ gateway: 'fd00:9::2', share: 1 }] }]
    ]
  )
})

test("what is not BGP's, not of the main table or no route at all is passed over", () => {
  const others = [
    message({ length: 24, protocol: KERNEL }, NET, VIA),
    message({ length: 24, table: 10 }, NET, VIA),
    message({ length: 24, family: 7 }, NET, VIA),
    message({ length: 24, type: 16 }, NET, VIA)
  ]
  assert.deepEqual(read(frame(...others)), [[]])
  const blackhole = frame(message({ length: 24, kind: 6 }, NET))
  assert.deepEqual(read(blackhole), [[{ prefix: '203.0.113.0/24', hops: [] }]])
})

test('frames are found however the stream is cut', () => {
  const one = frame(message({ length: 24 }, NET, VIA))
  const two = frame(message({ type: DELETE, length: 24 }, NET))
  const all = Uint8Array.from([...one, ...two])
  for (let at = 0; at <= all.length; at++)
    assert.equal(read(all.subarray(0, at), all.subarray(at)).length, 2)
  assert.equal(read(...[...all].map(byte => Uint8Array.of(byte))).length, 2)
})

test('bytes that are no frames are refused, with what is wrong', () => {
  const route = message({ length: 24 }, NET, VIA)
  const bad: [Uint8Array, RegExp][] = [
    [Uint8Array.of(2, 1, 0, 8, 0, 0, 0, 0), /version 2 and type 1/],
    [Uint8Array.of(1, 2, 0, 8, 0, 0, 0, 0), /version 1 and type 2/],
    [Uint8Array.of(1, 1, 0, 3), /a frame of 3 bytes/],
    [frame([1, 2, 3, 4]), /a message of 0 bytes where 4 are left/],
    [frame([...u32(999), ...route.slice(4)]), /a message of 999 bytes/],
    [frame([...u32(16), ...u16(NEW), ...Array(10).fill(0)]), /without its header/],
    [frame(message({ length: 33 }, NET)), /a prefix of 33 bits/],
    [frame(message({ length: 24 }, attribute(1, [1, 2, 3]))), /an address of 3 bytes/],
    [frame(message({ length: 24 }, [...u16(3), ...u16(1)])), /an attribute of 3 bytes/],
    [frame(message({ length: 24 }, [...u16(40), ...u16(1)])), /an attribute of 40 bytes/],
    [frame(message({ length: 24 }, attribute(9, [...u16(4), 0, 0, ...u32(7)]))), /a next hop of 4/],
    [frame(message({ length: 24 }, attribute(18, [2, 0, 1]))), /an address of 1 bytes/]
  ]
  for (const [bytes, reason] of bad) assert.throws(() => read(bytes), reason)
})

test('whatever comes, it is read or refused by name, and hops are well formed', () => {
  const valid = fc
    .record({
      type: fc.constantFrom(NEW, DELETE, 16),
      family: fc.constantFrom(2, 10, 7),
      length: fc.nat(140),
      attributes: fc.array(
        fc.tuple(fc.constantFrom(1, 5, 9, 18, 0x8009), fc.uint8Array({ maxLength: 40 }))
      )
    })
    .map(({ attributes, ...route }) =>
      message(route, ...attributes.map(([type, value]) => attribute(type, [...value])))
    )
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(valid, { maxLength: 4 }).map(each => Uint8Array.from(each.flat()))
  )
  fc.assert(
    fc.property(bytes, frame => {
      try {
        for (const { prefix, hops } of changesIn(frame)) {
          assert.match(prefix, /^[\da-f.:]+\/\d+$/)
          for (const { gateway, share } of hops) {
            assert.match(gateway, /^[\da-f.:]+$/)
            assert.ok(share >= 1 && share <= 256)
          }
        }
      } catch (error) {
        assert.ok(error instanceof FpmError, String(error))
      }
    }),
    { seed: 12, numRuns: 3000 }
  )
})
