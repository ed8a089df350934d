// Checksums against the plainest reading of RFC 1071, and the corners of zero.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { eth } from './builder.ts'
import * as checksum from './checksum.ts'
import { Protocol } from './protocol.ts'

fc.configureGlobal({ seed: 20_260_110 })

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

// RFC 1071 §4.1, word for word: pairs of bytes, the odd one padded, carries added back.
function plain(bytes: Uint8Array): number {
  let total = 0
  for (let i = 0; i < bytes.length; i += 2) {
    total += (bytes[i]! << 8) | (bytes[i + 1] ?? 0)
    if (total > 0xffff) total -= 0xffff
  }
  return total
}

test('the sum is that of RFC 1071, at every offset and length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(7), (bytes, skip) => {
      const at = Math.min(skip, bytes.length)
      const total = checksum.sum(viewOf(bytes), at, bytes.length - at, 0)
      assert.equal(checksum.fold(total), plain(bytes.subarray(at)))
    }),
    { numRuns: casesOf(2000) }
  )
  const example = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)
  assert.equal(checksum.fold(checksum.sum(viewOf(example), 0, 8, 0)), 0xddf2)
})

test('a frame of 64 KiB of ones does not overflow', () => {
  const bytes = new Uint8Array(65536 + 14).fill(0xff)
  assert.equal(checksum.fold(checksum.sum(viewOf(bytes), 0, bytes.length, 0x1_0000)), 1)
  assert.equal(checksum.finish(checksum.sum(viewOf(bytes), 0, bytes.length, 0)), 0)
})

test('an incremental update verifies like a full sum (RFC 1624)', () => {
  const bytes = fc.uint8Array({ minLength: 24, maxLength: 60 })
  fc.assert(
    fc.property(bytes, fc.nat(4), fc.nat(0xffff_ffff), (data, word, value) => {
      data[23] ||= 1 // not all zero: no header is, and there the formula has its known hole
      const view = viewOf(data)
      view.setUint16(20, 0)
      view.setUint16(20, checksum.finish(checksum.sum(view, 0, data.length, 0)))
      const before = view.getInt32(word * 4)
      view.setUint32(word * 4, value)
      view.setUint16(20, checksum.update32(view.getUint16(20), before, value | 0))
      assert.equal(checksum.fold(checksum.sum(view, 0, data.length, 0)), 0xffff)
    }),
    { numRuns: casesOf(2000) }
  )
  // The example of RFC 1624 §4, which the formula before it got wrong.
  assert.equal(checksum.update16(0xdd2f, 0x5555, 0x3285), 0x0000)
})

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const L3 = 14

// UDP over IPv4 whose two payload bytes make the sum zero.
function udpWithZeroSum(): DataView {
  const frame = eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(1000, 2000).payload(2).frame()
  const view = viewOf(frame)
  view.setUint16(42, 0)
  view.setUint16(42, checksum.l4Checksum(view, L3, 34, 44, Protocol.udp))
  return view
}

test('UDP sends a computed zero as 0xffff', () => {
  const view = udpWithZeroSum()
  assert.equal(checksum.l4Checksum(view, L3, 34, 44, Protocol.udp), 0xffff)
  assert.ok(checksum.completeL4(view, L3, 34, 44, Protocol.udp))
  assert.equal(view.getUint16(40), 0xffff)
  assert.ok(checksum.l4Valid(view, L3, 34, 44, Protocol.udp))
})

test('an update that comes to zero is written as 0xffff for UDP', () => {
  const view = udpWithZeroSum()
  view.setUint16(42, view.getUint16(42) ^ 1)
  checksum.completeL4(view, L3, 34, 44, Protocol.udp)
  const before = view.getUint16(42)
  view.setUint16(42, before ^ 1)
  checksum.patch16(view, 40, Protocol.udp, before, before ^ 1)
  assert.equal(view.getUint16(40), 0xffff)
})

test('UDP without a checksum: good on IPv4, bad on IPv6, and it stays absent', () => {
  const v4 = viewOf(eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).frame())
  v4.setUint16(40, 0)
  assert.ok(checksum.l4Valid(v4, L3, 34, 42, Protocol.udp))
  checksum.patch16(v4, 40, Protocol.udp, 1, 5)
  checksum.patchPseudo(v4, 34, 42, Protocol.udp, 1, 5)
  assert.equal(v4.getUint16(40), 0)
  const v6 = viewOf(eth(A, B).ipv6('fe80::1', 'fe80::2').udp(1, 2).frame())
  assert.ok(checksum.l4Valid(v6, L3, 54, 62, Protocol.udp))
  v6.setUint16(60, 0)
  assert.ok(!checksum.l4Valid(v6, L3, 54, 62, Protocol.udp))
})

test('one changed bit is seen, wherever it is, in every protocol and family', () => {
  const v4 = eth(A, B).ipv4('10.0.0.1', '10.0.0.2')
  const v6 = eth(A, B).ipv6('2001:db8::1', '2001:db8::2')
  const cases = [
    { frame: v4.udp(1, 2).payload(9).frame(), l4: 34, protocol: Protocol.udp },
    { frame: v4.tcp(1, 2).payload(9).frame(), l4: 34, protocol: Protocol.tcp },
    { frame: v4.icmpEcho(1, 2).payload(9).frame(), l4: 34, protocol: Protocol.icmp },
    { frame: v6.udp(1, 2).payload(9).frame(), l4: 54, protocol: Protocol.udp },
    { frame: v6.tcp(1, 2).payload(9).frame(), l4: 54, protocol: Protocol.tcp },
    { frame: v6.icmpv6Echo(1, 2).payload(9).frame(), l4: 54, protocol: Protocol.icmpv6 }
  ]
  for (const { frame, l4, protocol } of cases) {
    const view = viewOf(frame)
    const valid = (): boolean => checksum.l4Valid(view, L3, l4, frame.length, protocol)
    assert.ok(valid())
    // ICMP for IPv4 has no pseudo-header: the addresses are not its business.
    const from = protocol === Protocol.icmp ? l4 : l4 - (l4 === 34 ? 8 : 32)
    for (let at = from; at < frame.length; at++) {
      frame[at]! ^= 0x10
      assert.ok(!valid(), `byte ${at} of protocol ${protocol}`)
      frame[at]! ^= 0x10
    }
  }
})

test('without a field, or room for it, nothing is written', () => {
  const view = viewOf(eth(A, B).ipv4('10.0.0.1', '10.0.0.2').payload(4).frame())
  assert.ok(!checksum.completeL4(view, L3, 34, 38, Protocol.tcp))
  assert.ok(!checksum.completeL4(view, L3, 34, 38, Protocol.sctp))
  assert.ok(!checksum.l4Valid(view, L3, 34, 38, Protocol.tcp))
  assert.ok(checksum.l4Valid(view, L3, 34, 38, Protocol.sctp))
})
