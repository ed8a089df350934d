// Echo replies: the same bytes coming back, and no answer to what is no plain ping.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eth, type PacketBuilder } from './builder.ts'
import { describeFrame } from './describe.ts'
import { echoReply } from './echo.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const v4 = eth(A, B).ipv4('10.0.1.1', '10.0.1.254', { ttl: 3, id: 77 })
const v6 = eth(A, B).ipv6('fe80::1', 'fe80::fe', { hopLimit: 3 })

const replyTo = (frame: Uint8Array): Uint8Array<ArrayBuffer> | undefined =>
  echoReply(new DataView(frame.buffer, frame.byteOffset), 0, frame.length)

test('an IPv4 ping comes back with everything turned round', () => {
  const back = eth(B, A).ipv4('10.0.1.254', '10.0.1.1', { id: 77 })
  const expected = back.icmpEcho(7, 9, { reply: true }).payload(57).frame()
  assert.deepEqual(replyTo(v4.icmpEcho(7, 9).payload(57).frame()), expected)
})

test('an IPv6 ping comes back with everything turned round', () => {
  const back = eth(B, A).ipv6('fe80::fe', 'fe80::1')
  const expected = back.icmpv6Echo(7, 9, { reply: true }).payload(57).frame()
  assert.deepEqual(replyTo(v6.icmpv6Echo(7, 9).payload(57).frame()), expected)
})

test('options, extension headers and padding stay behind, tags come back', () => {
  const options = Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0)
  const four = eth(A, B).qinq(3).vlan(4).ipv4('10.0.1.1', '10.0.1.254', { options })
  const reply4 = replyTo(four.icmpEcho(1, 2).payload(4).frame(100))
  const back4 = eth(B, A).qinq(3).vlan(4).ipv4('10.0.1.254', '10.0.1.1')
  assert.deepEqual(reply4, back4.icmpEcho(1, 2, { reply: true }).payload(4).frame())
  const reply6 = replyTo(v6.extension('hop-by-hop').icmpv6Echo(1, 2).payload(4).frame())
  const back6 = eth(B, A).ipv6('fe80::fe', 'fe80::1')
  assert.deepEqual(reply6, back6.icmpv6Echo(1, 2, { reply: true }).payload(4).frame())
})

test('B6: a ping damaged on its way is not answered', () => {
  for (const frame of [
    v4.icmpEcho(7, 9).payload(20).frame(),
    v6.icmpv6Echo(7, 9).payload(20).frame()
  ]) {
    frame[frame.length - 1]! ^= 4
    assert.equal(replyTo(frame), undefined)
  }
})

const unanswered: Record<string, PacketBuilder> = {
  'an echo reply': v4.icmpEcho(1, 2, { reply: true }),
  'an ICMPv6 echo reply': v6.icmpv6Echo(1, 2, { reply: true }),
  'another ICMP message': v4.icmp(13),
  UDP: v4.udp(1, 2),
  'a fragment': eth(A, B).ipv4('10.0.1.1', '10.0.1.254', { moreFragments: true }).icmpEcho(1, 2),
  'an IPv6 fragment': v6.fragment6(1, 0, true).icmpv6Echo(1, 2),
  'a ping to a group': eth(A, B).ipv4('10.0.1.1', '224.0.0.1').icmpEcho(1, 2),
  'a ping to everyone': eth(A, B).ipv4('10.0.1.1', '255.255.255.255').icmpEcho(1, 2),
  'an IPv6 ping to a group': eth(A, B).ipv6('fe80::1', 'ff02::1').icmpv6Echo(1, 2),
  'a ping from nobody': eth(A, B).ipv4('0.0.0.0', '10.0.1.254').icmpEcho(1, 2),
  'an IPv6 ping from nobody': eth(A, B).ipv6('::', 'fe80::fe').icmpv6Echo(1, 2),
  'a ping from loopback': eth(A, B).ipv4('127.0.0.1', '10.0.1.254').icmpEcho(1, 2),
  'a frame from a group': eth('01:00:00:00:00:01', B).ipv4('10.0.1.1', '10.0.1.254').icmpEcho(1, 2),
  ARP: eth(A, B).arpRequest(A, '10.0.0.1', '10.0.0.2')
}

for (const [name, packet] of Object.entries(unanswered))
  test(`no answer to ${name}`, () => {
    assert.equal(replyTo(packet.frame()), undefined, describeFrame(packet.frame()))
  })
