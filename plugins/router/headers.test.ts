// Headers and checksums that do not hold, and IPv4 options: discarded, answered, or passed on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { from, hostIp, hostIp6, Lab, ping, portIp, portIp6, udp } from './fixture.test.ts'

const L3 = 14
const spoilt = (frame: Uint8Array, at: number): Uint8Array => {
  const copy = frame.slice()
  copy[at]! ^= 0x5a
  return copy
}

test('B6: a wrong IPv4 header sum: neither forwarded nor answered, before a flow and after', () => {
  const lab = new Lab()
  const good = udp('d1', hostIp.d2).frame()
  const bad = spoilt(good, L3 + 10)
  const strangers = [
    bad,
    spoilt(ping('d1', portIp.d1).frame(), L3 + 10),
    spoilt(udp('d1', '10.9.9.9').frame(), L3 + 10), // would have no neighbour
    spoilt(udp('d1', hostIp.d2, 1, 1).frame(), L3 + 10) // its TTL would run out
  ]
  for (const frame of strangers) assert.deepEqual(lab.told('d1', frame), [])
  assert.equal(lab.exitOf('d1', good), 'd2')
  const flows = lab.flows()
  for (const frame of strangers) assert.deepEqual(lab.told('d1', frame), [])
  assert.equal(lab.flows(), flows)
  assert.ok(lab.drops('router.bad-header') > 0)
  lab.change('router', 'r', { adminStateUp: false })
  for (const frame of strangers) assert.deepEqual(lab.told('d1', frame), [])
  lab.change('router', 'r', { adminStateUp: true })
  lab.change('port', 'd1', { adminStateUp: false })
  for (const frame of strangers) assert.deepEqual(lab.told('d1', frame), [])
})

test('B6: a length that does not hold is a header that does not', () => {
  const lab = new Lab()
  for (const at of [L3, L3 + 2]) {
    const frame = udp('d1', hostIp.d2).frame()
    frame[at] = 0xff
    assert.deepEqual(lab.told('d1', frame), [])
  }
  const six = udp('d1', hostIp6.d2).frame()
  six[L3 + 4] = 0xff
  assert.deepEqual(lab.told('d1', six), [])
  assert.ok(lab.drops('router.bad-header') > 0)
})

test('B6: a ping with a wrong sum is not answered, of either family', () => {
  const lab = new Lab()
  for (const [ip, l4] of [
    [portIp.d1, L3 + 20],
    [portIp6.d1, L3 + 40]
  ] as const) {
    assert.equal(lab.told('d1', ping('d1', ip)).length, 1)
    assert.deepEqual(lab.told('d1', spoilt(ping('d1', ip).frame(), l4 + 2)), [])
    assert.deepEqual(lab.told('d1', spoilt(ping('d1', ip).frame(), l4 + 10)), [])
  }
  assert.equal(lab.drops('router.bad-ping'), 4)
})

test('B6: sums of layer 4 in transit are their ends’ business', () => {
  const lab = new Lab()
  for (const ip of [hostIp.d2, hostIp6.d2])
    assert.equal(
      lab.exitOf('d1', spoilt(udp('d1', ip).frame(), udp('d1', ip).frame().length - 1)),
      'd2'
    )
})

// --- options -------------------------------------------------------------------------------------

const optioned = (dst: string, ...options: number[]) =>
  from('d1')
    .ipv4(hostIp.d1, dst, { options: Uint8Array.from(options) })
    .udp(1, 2)
    .payload('x')
const RECORD = [7, 7, 4, 0, 0, 0, 0]
const TIMES = [68, 8, 5, 0, 0, 0, 0, 0]
const LOOSE = [131, 7, 4, 10, 0, 3, 10]
const STRICT = [137, 7, 4, 10, 0, 3, 10]

for (const [what, options, pointer] of [
  ['of length 0', [7, 0, 0, 0], 20],
  ['of length 1', [1, 1, 7, 1], 22],
  ['longer than the header', [7, 12, 4, 0], 20],
  ['with no room for a length', [1, 1, 1, 7], 23],
  ['a route shorter than its head', [7, 2, 0, 0], 21],
  ['a route whose pointer is below its list', [7, 7, 3, 0, 0, 0, 0, 0], 22],
  ['a route whose pointer leaves no room', [7, 7, 6, 0, 0, 0, 0, 0], 22],
  ['times shorter than their head', [68, 3, 5, 0], 21],
  ['a source route with a bad pointer', [131, 7, 2, 0, 0, 0, 0, 0], 22]
] as const)
  test(`B9: an option ${what} is answered 12/0, pointer ${pointer}`, () => {
    const lab = new Lab()
    for (let i = 0; i < 2; i++) {
      const [told, ...rest] = lab.exchange('d1', optioned(hostIp.d2, ...options))
      assert.equal(rest.length, 0)
      const view = new DataView(told!.frame.buffer)
      assert.equal(told!.port, 'd1')
      assert.deepEqual(
        [icmp.type(view, 34), icmp.code(view, 34), view.getUint8(38)],
        [12, 0, pointer]
      )
    }
    assert.equal(lab.drops('router.bad-options'), 2)
  })

test('B9: route and time recording, and unknown options, pass as they are', () => {
  const lab = new Lab()
  assert.equal(lab.exitOf('d1', udp('d1', hostIp.d2)), 'd2')
  for (const options of [RECORD, TIMES, [148, 4, 0, 0], [1, 1, 1, 1], [0, 9, 9, 9]]) {
    const [got, ...rest] = lab.exchange('d1', optioned(hostIp.d2, ...options))
    assert.equal(rest.length, 0)
    assert.deepEqual([...got!.frame.subarray(34, 34 + options.length)], options)
    assert.ok(ipv4.checksumValid(new DataView(got!.frame.buffer), L3))
  }
})

test('B9: source routes are dropped and counted, also to the router itself', () => {
  const lab = new Lab()
  for (const options of [LOOSE, STRICT, [...RECORD, 1, ...LOOSE]])
    for (const dst of [hostIp.d2, portIp.d1, portIp.d2]) {
      assert.deepEqual(lab.told('d1', optioned(dst, ...options)), [])
      const pinged = from('d1').ipv4(hostIp.d1, dst, { options: Uint8Array.from(options) })
      assert.deepEqual(lab.told('d1', pinged.icmpEcho(1, 1)), [])
    }
  assert.equal(lab.drops('router.source-route'), 18)
})

test('B9, B6: a wrong sum over options is a wrong sum', () => {
  const lab = new Lab()
  assert.deepEqual(lab.told('d1', spoilt(optioned(hostIp.d2, ...RECORD).frame(), L3 + 10)), [])
  assert.equal(lab.drops('router.bad-header'), 1)
})
