// More of what a hostile station behind a secured port may think of: several options, what lies in
// other headers, and what a router behind the bridge is told.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { arpRequest, eth } from '../../src/wire/builder.ts'
import * as checksum from '../../src/wire/checksum.ts'
import {
  A,
  ALL,
  ALLOWED,
  B,
  FRAMES,
  got,
  ip,
  ip6,
  LINK_LOCAL,
  nd,
  OVERRIDE,
  rawMac,
  secured,
  udp,
  worldOf
} from './secured.test.ts'

const IPV6 = 14
const ICMPV6 = IPV6 + 40

// The message with another link-layer option of this type behind it, its sums true.
function withOption(frame: Uint8Array, type: number, mac: string): Uint8Array {
  const option = [type, 1, ...mac.split(':').map(byte => Number.parseInt(byte, 16))]
  const longer = Uint8Array.from([...frame, ...option])
  const view = new DataView(longer.buffer)
  view.setUint16(IPV6 + 4, longer.length - ICMPV6)
  view.setUint16(ICMPV6 + 2, 0)
  checksum.completeL4(view, IPV6, ICMPV6, longer.length, 58)
  return longer
}

describe('C7: of several link-layer options each must be true', () => {
  const na = nd('fd00::5')
    .na('fd00::5', { mac: rawMac(A), flags: OVERRIDE })
    .frame()
  const ns = nd('fd00::5')
    .ns('fd00::9', { mac: rawMac(A) })
    .frame()
  const rs = nd(LINK_LOCAL).icmpv6(133).frame()
  for (const [name, frame, type] of [
    ['an advertisement', na, 2],
    ['a solicitation', ns, 1],
    ['a router solicitation', rs, 1]
  ] as const)
    test(name, () => {
      assert.equal(got(secured(), withOption(frame, type, A)), FRAMES)
      for (const other of [1, 2]) assert.equal(got(secured(), withOption(frame, other, B)), 0)
    })
})

describe('C7: what is said in other words', () => {
  test('an answer of DHCP behind IPv4 options', () => {
    const options = new Uint8Array(8).fill(1)
    const frame = eth(A, B).ipv4('10.0.0.5', '10.0.0.9', { options }).udp(67, 68).payload(40)
    assert.equal(got(secured(), frame), 0)
  })

  test('a MAC that is listed, in ARP for an address of a network of another', () => {
    assert.equal(got(secured(), arpRequest(A, '10.0.1.9', '10.0.0.9')), FRAMES)
    assert.equal(got(secured(), arpRequest(A, '10.0.2.9', '10.0.0.9')), 0)
  })

  test('a loop back of its own frames by somebody else moves nothing', () => {
    const world = secured()
    world.exchange('a', udp(ip('10.0.0.5')).frame())
    for (let i = 0; i < 3; i++) world.exchange('c', udp(ip('10.0.0.5')).frame())
    assert.equal(world.store.table('mac/br').get(A)?.value, 'a')
  })

  test('a router learns no neighbour of who may not say so', () => {
    const world = worldOf({ allowedAddresses: ALLOWED }, topology =>
      topology
        .router('r')
        .uplink('r0', 'r', 'br', '02:00:00:00:00:01', ['10.0.0.254/24', 'fd00::ffff/64'])
    )
    const known = (): string[] =>
      [...world.store.table('neighbour/r0').values()].map(({ key, value }) => `${key} ${value}`)
    world.exchange('b', arpRequest(B, '10.0.0.9', '10.0.0.254').frame())
    const before = known()
    for (const frame of [
      arpRequest(A, '10.0.0.9', '10.0.0.254'),
      arpRequest(A, '10.0.0.9', '10.0.0.9'),
      eth(A, '02:00:00:00:00:01').arpReply(A, '10.0.0.9', '02:00:00:00:00:01', '10.0.0.254'),
      eth(A, ALL).vlan(0).arpReply(A, '10.0.0.9', '02:00:00:00:00:01', '10.0.0.254'),
      nd('fd00::9', 'ff02::1:ff00:ffff').ns('fd00::ffff', { mac: rawMac(A) }),
      nd('fd00::5').na('fd00::9', { mac: rawMac(A), flags: OVERRIDE })
    ])
      world.exchange('a', frame.frame())
    assert.deepEqual(known(), before)
    assert.ok(!known().some(line => line.includes(A)))
  })

  test('a first fragment of ICMPv6 that hides its type', () => {
    const hidden = ip6('fd00::5').fragment6(9, 0, true, 58).payload(0)
    assert.equal(got(secured(), hidden), 0)
  })
})
