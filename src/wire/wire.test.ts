// The whole room against hostile frames: no bytes whatever make anything throw or loop, and every
// edit leaves true what was true.  The same promises a million times: test/fuzz/wire.fuzz.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { exercise } from '../../test/fuzz/exercise.ts'
import { type Draw, damaged, hostile, noise, randomPacket } from '../../test/fuzz/packets.ts'
import { l4Valid } from './checksum.ts'
import { describeFrame } from './describe.ts'
import * as ethernet from './ethernet.ts'
import * as ipv4 from './ipv4.ts'
import * as vlan from './vlan.ts'

fc.configureGlobal({ seed: 20_260_110 })

// Chance that fast-check can shrink: every draw is a value of its own. It looks for a builder by
// its identity, and for the arguments of one by comparing all that it was ever given.
const builders = new Map<number, () => fc.Arbitrary<number>>()
const below = (max: number): (() => fc.Arbitrary<number>) => {
  const known = builders.get(max)
  if (known !== undefined) return known
  const made = () => fc.nat({ max: max - 1 })
  builders.set(max, made)
  return made
}
const draws = fc.gen().map(
  (value): Draw =>
    max =>
      value(below(max))
)

test('INV-20 hostile frames hold every promise', () => {
  fc.assert(
    fc.property(draws, draw => exercise(hostile(draw))),
    { numRuns: casesOf(2000) }
  )
})

test('INV-20 pure noise holds every promise', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => exercise(bytes)),
    { numRuns: casesOf(2000) }
  )
})

test('packets of the builder hold every promise, and are true to begin with', () => {
  fc.assert(
    fc.property(draws, draw => {
      const frame = randomPacket(draw).frame()
      exercise(frame)
      // What an ICMP error quotes is chance: the frame itself is what was built.
      const [own] = describeFrame(frame).split(' about {')
      assert.doesNotMatch(own!, /bad-checksum|truncated Ethernet/)
      const view = new DataView(frame.buffer)
      const l3 = vlan.typeAt(view, 0, frame.length) + 2
      if (view.getUint16(l3 - 2) !== ethernet.Type.ipv4) return
      const end = ipv4.payloadEnd(view, l3)
      const protocol = ipv4.protocol(view, l3)
      assert.ok(ipv4.fits(view, l3, frame.length) && end === frame.length)
      if (protocol !== 255) assert.ok(l4Valid(view, l3, ipv4.payload(view, l3), end, protocol))
    }),
    { numRuns: casesOf(2000) }
  )
})

test('the same draws give the same frames', () => {
  const counter = (): Draw => {
    let n = 0
    return below => n++ % below
  }
  assert.deepEqual(hostile(counter()), hostile(counter()))
  assert.deepEqual(damaged(counter(), noise(counter(), 50)).length > 0, true)
})
