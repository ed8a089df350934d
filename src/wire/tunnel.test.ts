// VXLAN and GRE headers: what is written is read, and a frame inside a frame stays what it was.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { eth } from './builder.ts'
import * as gre from './gre.ts'
import * as vxlan from './vxlan.ts'

fc.configureGlobal({ seed: 20_260_110 })

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const outer = eth(A, B).ipv4('192.0.2.1', '192.0.2.2')
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer)

test('VXLAN: a VNI at both ends of its range is read back, reserved bytes stay zero', () => {
  const view = new DataView(new ArrayBuffer(10))
  for (const vni of [0, 1, 0x7f_ffff, 0x80_0000, 0xff_ffff]) {
    vxlan.emit(view, 2, vni)
    assert.ok(vxlan.fits(view, 2, 10))
    assert.equal(vxlan.vni(view, 2), vni)
    assert.deepEqual([view.getUint32(2), view.getUint8(9)], [0x0800_0000, 0])
  }
  assert.ok(!vxlan.fits(view, 2, 9))
  view.setUint8(2, 0)
  assert.ok(!vxlan.fits(view, 2, 10), 'without the flag there is no VNI')
})

test('VXLAN: the inner frame is carried byte by byte', () => {
  const inner = eth(B, A).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).payload(50).frame()
  const frame = outer.udp(50_000, vxlan.PORT).vxlan(77).payload(inner).frame()
  const built = outer.udp(50_000, vxlan.PORT).vxlan(77).eth(B, A).ipv4('10.0.0.1', '10.0.0.2')
  assert.deepEqual(built.udp(1, 2).payload(50).frame(), frame)
  assert.deepEqual(frame.slice(14 + 20 + 8 + vxlan.LENGTH), inner)
})

test('GRE: emit, parse, edit, with any of the optional words', () => {
  const u32 = fc.option(fc.nat(0xffff_ffff), { nil: undefined })
  fc.assert(
    fc.property(u32, u32, fc.boolean(), fc.nat(0xffff), (key, sequence, checksum, protocol) => {
      const view = new DataView(new ArrayBuffer(40))
      const fields = { protocol, key, sequence, checksum }
      gre.emit(view, 4, 40, fields)
      assert.ok(gre.fits(view, 4, 40))
      assert.equal(gre.protocol(view, 4), protocol)
      assert.deepEqual([gre.hasKey(view, 4), gre.key(view, 4)], [key !== undefined, key ?? 0])
      assert.deepEqual(
        [gre.hasSequence(view, 4), gre.sequence(view, 4)],
        [sequence !== undefined, sequence ?? 0]
      )
      assert.equal(gre.payload(view, 4), 4 + gre.lengthFor(fields))
      assert.ok(gre.checksumValid(view, 4, 40))
    })
  )
})

test('GRE: routing, other versions and missing words do not fit', () => {
  const frame = outer.gre({ key: 5 }).eth(B, A).payload(4).frame()
  const view = viewOf(frame)
  assert.equal(view.getUint16(34), gre.Flag.key)
  assert.equal(gre.protocol(view, 34), 0x6558)
  assert.ok(gre.fits(view, 34, 42) && !gre.fits(view, 34, 41))
  for (const flags of [gre.Flag.key | 1, gre.Flag.routing]) {
    view.setUint16(34, flags)
    assert.ok(!gre.fits(view, 34, frame.length))
  }
})

test('GRE: a damaged payload shows in the checksum', () => {
  const frame = outer.gre({ key: 5, checksum: true }).eth(B, A).payload(9).frame()
  assert.ok(gre.checksumValid(viewOf(frame), 34, frame.length))
  frame[frame.length - 1]! ^= 1
  assert.ok(!gre.checksumValid(viewOf(frame), 34, frame.length))
})
