// Descriptions: one line for each kind of frame, and one for any bytes whatever.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eth, type PacketBuilder } from './builder.ts'
import { describe, describeFrame, tcpFlagLetters } from './describe.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const FROM_A = `${A} > ${B} `
const v4 = eth(A, B).ipv4('10.0.1.1', '10.0.2.3')
const v6 = eth(A, B).ipv6('fe80::1', 'fe80::2')
const IP4 = 'IPv4 10.0.1.1 > 10.0.2.3 ttl 64 '
const IP6 = 'IPv6 fe80::1 > fe80::2 hops 64 '
const later = { id: 5, fragmentOffset: 80, protocol: 17 }

const cases: [PacketBuilder, string][] = [
  [eth(A, B, 0x1234).payload(4), 'type 0x1234 length 4'],
  [eth(A, B, 4).payload(4), '802.3 length 4'],
  [eth(A, B).qinq(5, 3).vlan(6).payload(1), 'qinq 5 pcp 3 vlan 6 type 0x88b5 length 1'],
  [v4.udp(1, 2).payload(3), `${IP4}UDP 1 > 2 length 3`],
  [v4.tcp(1, 2, { flags: 'S', mss: 1460 }), `${IP4}TCP 1 > 2 [S] seq 1 mss 1460 length 0`],
  [v4.tcp(1, 2, { flags: 'FA', acknowledgement: 9 }), `${IP4}TCP 1 > 2 [F.] seq 1 ack 9 length 0`],
  [v4.icmpEcho(3, 4).payload(5), `${IP4}ICMP echo request id 3 seq 4 length 5`],
  [v4.icmp(13, 0).payload(5), `${IP4}ICMP type 13 code 0 length 13`],
  [
    v4.icmp(3, 4, 1400).payload(1),
    `${IP4}ICMP unreachable code 4 mtu 1400 about {malformed IPv4, 1 bytes}`
  ],
  [v4.payload(5), `${IP4}protocol 255 length 5`],
  [
    eth(A, B).ipv4('10.0.1.1', '10.0.2.3', later).payload(8),
    `${IP4}frag 5@80 protocol 17 length 8`
  ],
  [v6.icmpv6Echo(3, 4, { reply: true }), `${IP6}ICMPv6 echo reply id 3 seq 4 length 0`],
  [v6.fragment6(5, 0, true).udp(1, 2), `${IP6}frag 5@0+ UDP 1 > 2 length 0`],
  [v6.na('fe80::1', { mac: A }), `${IP6}ICMPv6 neighbour fe80::1 [SO] mac ${A}`],
  [
    v4.gre({ key: 9 }).ipv6('fe80::1', 'fe80::2').udp(1, 2),
    `${IP4}GRE key 9 ${IP6}UDP 1 > 2 length 0`
  ],
  [
    v4.udp(9, 4789).vxlan(7).eth(B, A, 4).payload(4),
    `${IP4}UDP 9 > 4789 VXLAN 7 | ${B} > ${A} 802.3 length 4`
  ]
]

for (const [packet, expected] of cases)
  test(expected, () => assert.equal(describeFrame(packet.frame()), FROM_A + expected))

test('every prefix of a frame has a description', () => {
  const frame = v4.udp(9, 4789).vxlan(7).eth(A, B).ipv6('fe80::1', 'fe80::2').tcp(1, 2).frame()
  const seen = new Set<string>()
  for (let end = 0; end <= frame.length; end++) seen.add(describeFrame(frame.slice(0, end)))
  assert.ok(seen.has('truncated Ethernet, 13 bytes'))
  assert.ok([...seen].some(text => text.includes('truncated UDP')))
  assert.ok([...seen].some(text => text.endsWith('malformed IPv6, 39 bytes')))
})

test('a header checksum that is wrong is mentioned', () => {
  const frame = v4.udp(1, 2).frame()
  frame[24]! ^= 1
  assert.match(describeFrame(frame), /ttl 64 bad-checksum UDP/)
})

test('tunnels in tunnels are followed three deep', () => {
  let packet = eth(A, B)
  for (let i = 0; i < 10; i++) packet = packet.ipv4('10.0.0.1', '10.0.0.2').gre().eth(A, B)
  const text = describeFrame(packet.payload(1).frame())
  assert.ok(text.endsWith('…') && text.length < 500, text)
})

test('a frame that lies outside of its buffer is described too', () => {
  assert.equal(
    describe(new DataView(new ArrayBuffer(4)), 0, 5),
    'frame [0, 5) outside of its buffer'
  )
})

test('TCP flags as tcpdump prints them', () => {
  assert.equal(tcpFlagLetters(0xff), 'FSRP.UEW')
  assert.equal(tcpFlagLetters(0), 'none')
})
