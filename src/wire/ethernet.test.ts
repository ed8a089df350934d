// Ethernet and VLAN tags: what is written is read, and tags come and go without a trace.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { eth } from './builder.ts'
import * as ethernet from './ethernet.ts'
import * as vlan from './vlan.ts'

fc.configureGlobal({ seed: 20_260_110 })

const mac = fc.nat(0xffff_ffff_ffff)
const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer)

test('emit, then parse, is the identity', () => {
  fc.assert(
    fc.property(mac, mac, fc.nat(0xffff), (src, dst, type) => {
      const view = new DataView(new ArrayBuffer(20))
      ethernet.emit(view, 3, { src, dst, type })
      assert.deepEqual(
        [ethernet.src(view, 3), ethernet.dst(view, 3), ethernet.type(view, 3)],
        [src, dst, type]
      )
      assert.equal(ethernet.dstIsGroup(view, 3), (Math.floor(dst / 2 ** 40) & 1) === 1)
      assert.equal(ethernet.srcIsGroup(view, 3), (Math.floor(src / 2 ** 40) & 1) === 1)
    })
  )
})

test('a frame fits only inside of its buffer', () => {
  const view = new DataView(new ArrayBuffer(20))
  assert.ok(ethernet.fits(view, 6, 20))
  assert.ok(!ethernet.fits(view, 7, 20))
  assert.ok(!ethernet.fits(view, 6, 21))
  assert.ok(!ethernet.fits(view, -1, 20))
})

test('tags are found, at most two, and only when the type behind them is there', () => {
  const plain = viewOf(eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).frame())
  assert.equal(vlan.typeAt(plain, 0, plain.byteLength), 12)
  const two = viewOf(eth(A, B).qinq(100, 5).vlan(7).ipv4('10.0.0.1', '10.0.0.2').frame())
  assert.equal(vlan.count(two, 0, two.byteLength), 2)
  assert.equal(vlan.typeAt(two, 0, two.byteLength), 20)
  assert.deepEqual([vlan.tpid(two, 12), vlan.vid(two, 12), vlan.pcp(two, 12)], [0x88a8, 100, 5])
  assert.deepEqual([vlan.tpid(two, 16), vlan.vid(two, 16)], [0x8100, 7])
  const three = viewOf(eth(A, B).vlan(1).vlan(2).vlan(3).payload(4).frame())
  assert.equal(vlan.count(three, 0, three.byteLength), 2)
  assert.equal(vlan.typeAt(two, 0, 21), 16, 'a tag whose next type is cut off is no tag')
})

test('push and pop move the addresses and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 14, maxLength: 40 }), fc.nat(0xffff), (frame, tci) => {
      const buffer = new Uint8Array(frame.length + 8)
      buffer.set(frame, 8)
      const view = viewOf(buffer)
      const at = vlan.push(view, 8, ethernet.Type.vlan, tci)
      assert.equal(at, 4)
      assert.deepEqual(buffer.slice(4, 16), frame.slice(0, 12))
      assert.deepEqual([vlan.tpid(view, 16), vlan.tci(view, 16)], [0x8100, tci])
      assert.deepEqual(buffer.slice(20), frame.slice(12))
      assert.equal(vlan.pop(view, at), 8)
      assert.deepEqual(buffer.slice(8), frame)
    })
  )
})
