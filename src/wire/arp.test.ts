// ARP: what is written is read, and what is not ARP for IPv4 over Ethernet is not read at all.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as arp from './arp.ts'
import { describeFrame } from './describe.ts'
import { arpReply, arpRequest } from './frames.ts'

fc.configureGlobal({ seed: 20_260_110 })

const mac = fc.nat(0xffff_ffff_ffff)
const ip = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

test('emit, then parse, is the identity', () => {
  const fields = fc.record({
    operation: fc.nat(0xffff),
    senderMac: mac,
    senderIp: ip,
    targetMac: mac,
    targetIp: ip
  })
  fc.assert(
    fc.property(fields, f => {
      const view = new DataView(new ArrayBuffer(arp.LENGTH + 2))
      arp.emit(view, 2, f)
      assert.ok(arp.fits(view, 2, view.byteLength))
      assert.deepEqual(
        { ...f },
        {
          operation: arp.operation(view, 2),
          senderMac: arp.senderMac(view, 2),
          senderIp: arp.senderIp(view, 2),
          targetMac: arp.targetMac(view, 2),
          targetIp: arp.targetIp(view, 2)
        }
      )
    })
  )
})

test('other hardware, protocols and lengths do not fit', () => {
  const frame = arpRequest(1, 2, 3)
  for (let at = 0; at < 6; at++) {
    const other = frame.slice()
    other[14 + at]! ^= 0x40
    assert.ok(!arp.fits(new DataView(other.buffer), 14, other.length))
  }
  assert.ok(!arp.fits(new DataView(frame.buffer), 14, frame.length - 1))
})

test('frames for asking, answering and announcing', () => {
  const [m1, m2, i1, i2] = [0x02_00_00_00_00_01, 0x02_00_00_00_00_02, 0x0a00_0001, 0x0a00_0002]
  assert.equal(
    describeFrame(arpRequest(m1, i1, i2)),
    '02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.2 tell 10.0.0.1'
  )
  assert.equal(
    describeFrame(arpReply(m2, i2, m1, i1)),
    '02:00:00:00:00:02 > 02:00:00:00:00:01 ARP 10.0.0.2 is-at 02:00:00:00:00:02 to 10.0.0.1'
  )
  const announcement = new DataView(arpRequest(m1, i1, i1).buffer)
  assert.ok(arp.isGratuitous(announcement, 14))
  assert.ok(!arp.isGratuitous(new DataView(arpReply(m2, i2, m1, i1).buffer), 14))
})
