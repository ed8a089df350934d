// IPv4: lengths that agree or do not fit, setters that keep both checksums true, fragments.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseIpv4 } from './address.ts'
import { eth } from './builder.ts'
import { l4Valid } from './checksum.ts'
import * as ipv4 from './ipv4.ts'

fc.configureGlobal({ seed: 20_260_110 })

const L3 = 14
const base = eth('02:00:00:00:00:01', '02:00:00:00:00:02')
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer)

test('emit, then parse, is the identity', () => {
  const fields = fc.record(
    {
      src: fc.integer(),
      dst: fc.integer(),
      protocol: fc.nat(255),
      ttl: fc.nat(255),
      payloadLength: fc.nat(1000),
      tos: fc.nat(255),
      id: fc.nat(0xffff),
      dontFragment: fc.boolean(),
      moreFragments: fc.boolean(),
      fragmentOffset: fc.nat(0x1fff).map(units => units * 8)
    },
    { noNullPrototype: true }
  )
  fc.assert(
    fc.property(fields, f => {
      const view = new DataView(new ArrayBuffer(1100))
      ipv4.emit(view, 5, f)
      assert.ok(ipv4.fits(view, 5, 25 + f.payloadLength))
      assert.ok(!ipv4.fits(view, 5, 24 + f.payloadLength))
      assert.ok(ipv4.checksumValid(view, 5))
      assert.equal(ipv4.isFragment(view, 5), f.moreFragments || f.fragmentOffset !== 0)
      assert.deepEqual(f, {
        src: ipv4.src(view, 5),
        dst: ipv4.dst(view, 5),
        protocol: ipv4.protocol(view, 5),
        ttl: ipv4.ttl(view, 5),
        payloadLength: ipv4.payloadEnd(view, 5) - ipv4.payload(view, 5),
        tos: ipv4.tos(view, 5),
        id: ipv4.id(view, 5),
        dontFragment: ipv4.dontFragment(view, 5),
        moreFragments: ipv4.moreFragments(view, 5),
        fragmentOffset: ipv4.fragmentOffset(view, 5)
      })
    })
  )
})

const whole = base.ipv4('10.0.1.1', '10.0.2.3').udp(1, 2).payload(4).frame()
for (const { name, at, value } of [
  { name: 'another version', at: 0, value: 0x65 },
  { name: 'a header shorter than 20 bytes', at: 0, value: 0x44 },
  { name: 'a header longer than the packet', at: 0, value: 0x4f },
  { name: 'a total length beyond the frame', at: 3, value: 33 },
  { name: 'a total length shorter than the header', at: 3, value: 19 }
])
  test(`${name} does not fit`, () => {
    const frame = whole.slice()
    assert.ok(ipv4.fits(viewOf(frame), L3, frame.length))
    frame[L3 + at] = value
    assert.ok(!ipv4.fits(viewOf(frame), L3, frame.length))
  })

test('Ethernet padding is no part of the packet', () => {
  const frame = base.ipv4('10.0.1.1', '10.0.2.3').udp(1, 2).payload(4).frame(60)
  assert.equal(frame.length, 60)
  assert.ok(ipv4.fits(viewOf(frame), L3, 60))
  assert.equal(ipv4.payloadEnd(viewOf(frame), L3), L3 + 32)
})

test('a header whose tail is missing fits as a quoted one', () => {
  const view = viewOf(whole)
  assert.ok(!ipv4.fits(view, L3, L3 + 28))
  assert.ok(ipv4.headerFits(view, L3, L3 + 28))
  assert.ok(!ipv4.headerFits(view, L3, L3 + 19))
})

test('new addresses leave the checksums of header, TCP and UDP true', () => {
  const ip = base.ipv4('10.0.1.1', '10.0.2.3')
  fc.assert(
    fc.property(fc.integer(), fc.integer(), fc.nat(30), fc.boolean(), (src, dst, n, isTcp) => {
      const view = viewOf((isTcp ? ip.tcp(1, 2) : ip.udp(1, 2)).payload(n).frame())
      ipv4.setSrc(view, L3, src)
      ipv4.setDst(view, L3, dst)
      assert.deepEqual([ipv4.src(view, L3), ipv4.dst(view, L3)], [src, dst])
      assert.ok(ipv4.checksumValid(view, L3))
      assert.ok(l4Valid(view, L3, L3 + 20, view.byteLength, isTcp ? 6 : 17))
    })
  )
})

test('new addresses on every fragment leave the packet they make up true', () => {
  const packet = base.ipv4('10.0.1.1', '10.0.2.3').udp(5, 6).payload(2500)
  const pieces = packet.fragments(1000, 77)
  assert.equal(pieces.length, 3)
  const body: number[] = []
  for (const [index, piece] of pieces.entries()) {
    const view = viewOf(piece)
    assert.ok(ipv4.fits(view, L3, piece.length) && piece.length - L3 <= 1000)
    assert.equal(ipv4.id(view, L3), 77)
    assert.equal(ipv4.fragmentOffset(view, L3), body.length)
    assert.equal(ipv4.moreFragments(view, L3), index < 2)
    ipv4.setSrc(view, L3, parseIpv4('192.0.2.1'))
    ipv4.setDst(view, L3, parseIpv4('192.0.2.200'))
    assert.ok(ipv4.checksumValid(view, L3))
    body.push(...piece.subarray(L3 + 20))
  }
  const expected = base.ipv4('192.0.2.1', '192.0.2.200').udp(5, 6).payload(2500).frame()
  assert.deepEqual(Uint8Array.from(body), expected.slice(L3 + 20))
})

test('fragments copy the options, and what fits is not cut', () => {
  const options = Uint8Array.of(148, 4, 0, 0)
  const packet = base.ipv4('10.0.1.1', '10.0.2.3', { options }).icmpEcho(1, 1).payload(100)
  for (const piece of packet.fragments(80)) {
    assert.equal(ipv4.optionAt(viewOf(piece), L3, 148), L3 + 20)
    assert.ok(ipv4.checksumValid(viewOf(piece), L3))
  }
  assert.deepEqual(packet.fragments(1500), [packet.frame()])
  assert.throws(() => packet.fragments(31), /MTU that leaves 7 bytes/)
})

test('decrementing the TTL stops at zero', () => {
  const view = viewOf(base.ipv4('10.0.1.1', '10.0.2.3', { ttl: 1 }).frame())
  ipv4.decrementTtl(view, L3)
  ipv4.decrementTtl(view, L3)
  assert.equal(ipv4.ttl(view, L3), 0)
  assert.ok(ipv4.checksumValid(view, L3))
})

test('setters of a quoted packet write inside of the quote only', () => {
  const frame = base.ipv4('10.0.1.1', '10.0.2.3').tcp(1, 2).payload(40).frame()
  const after = frame.slice(L3 + 28)
  ipv4.setSrc(viewOf(frame), L3, 1, L3 + 28)
  assert.deepEqual(frame.slice(L3 + 28), after)
  assert.ok(ipv4.checksumValid(viewOf(frame), L3))
})

test('options: no-operation is one byte, a broken list ends the search', () => {
  const optionAt = (...options: number[]): number => {
    const frame = base.ipv4('10.0.1.1', '10.0.2.3', { options: Uint8Array.from(options) }).frame()
    return ipv4.optionAt(viewOf(frame), L3, 148)
  }
  assert.equal(optionAt(1, 1, 148, 4, 0, 0, 0, 0), L3 + 22)
  assert.equal(optionAt(7, 3, 4, 148, 4, 0, 0, 0), L3 + 23)
  assert.equal(optionAt(0, 148, 4, 0), -1)
  assert.equal(optionAt(7, 0, 148, 4), -1)
  assert.equal(optionAt(7, 1, 148, 4), -1)
  assert.equal(optionAt(1, 1, 148, 40), -1)
  assert.equal(optionAt(1, 1, 1, 148), -1)
})
