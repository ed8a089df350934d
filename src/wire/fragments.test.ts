// Cutting packets into fragments, and fragments into smaller ones (RFC 791 §3.2): put together by
// their offsets, the pieces are what was cut.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { eth } from './builder.ts'
import { LENGTH as L3 } from './ethernet.ts'
import { fragmentIpv4 } from './fragments.ts'
import * as ipv4 from './ipv4.ts'

const packet = (payload: number): Uint8Array =>
  eth('02:00:00:00:00:01', '02:00:00:00:00:02')
    .ipv4('10.0.0.1', '10.0.0.2')
    .udp(7, 9)
    .payload(payload)
    .frame()

const viewOf = (frame: Uint8Array): DataView =>
  new DataView(frame.buffer, frame.byteOffset, frame.byteLength)

// By their offsets; says nothing when the last piece is missing or a byte is.
function together(pieces: readonly Uint8Array[]): Uint8Array | undefined {
  const last = pieces.find(piece => !ipv4.moreFragments(viewOf(piece), L3))
  if (last === undefined) return undefined
  const length = (piece: Uint8Array): number => piece.length - L3 - ipv4.LENGTH_MIN
  const whole = new Uint8Array(ipv4.fragmentOffset(viewOf(last), L3) + length(last))
  let filled = 0
  for (const piece of pieces) {
    whole.set(piece.subarray(L3 + ipv4.LENGTH_MIN), ipv4.fragmentOffset(viewOf(piece), L3))
    filled += length(piece)
  }
  return filled === whole.length ? whole : undefined
}

test('fragments of an IPv4 packet are cut again on a narrower way', () => {
  const cases = fc.record({
    payload: fc.integer({ min: 1, max: 5000 }),
    mtu: fc.integer({ min: 200, max: 1500 }),
    narrower: fc.integer({ min: 28, max: 1500 })
  })
  fc.assert(
    fc.property(cases, ({ payload, mtu, narrower }) => {
      const frame = packet(payload)
      const once = fragmentIpv4(frame, L3, mtu, 7)
      const twice = once.flatMap(piece => fragmentIpv4(piece, L3, narrower, 7))
      for (const piece of twice) {
        assert.ok(piece.length - L3 <= narrower)
        assert.ok(ipv4.checksumValid(viewOf(piece), L3))
      }
      assert.deepEqual(together(twice.reverse()), frame.subarray(L3 + ipv4.LENGTH_MIN))
    }),
    { numRuns: casesOf(300), seed: 3 }
  )
})
