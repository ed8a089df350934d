// ICMP errors: what they quote and how they go back, and every reason to keep silent.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIp, parseMac } from './address.ts'
import { eth, type PacketBuilder, solicit } from './builder.ts'
import { l4Valid } from './checksum.ts'
import { describeFrame } from './describe.ts'
import { type ErrorFields, icmpError, mayAnswerWithError } from './errors.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const GROUP = '01:00:5e:00:00:05'
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer)
const v4 = eth(A, B).ipv4('10.0.1.1', '10.0.2.3')
const v6 = eth(A, B).ipv6('2001:db8::1', '2001:db8::2')

const unreachable: ErrorFields = {
  type: icmp.Type.unreachable,
  code: icmp.Unreachable.adminProhibited,
  src: parseIp('10.0.1.254').words,
  srcMac: parseMac(B)
}
const tooBig: ErrorFields = {
  type: icmpv6.Type.packetTooBig,
  code: 0,
  param: 1400,
  src: parseIp('2001:db8::fe').words,
  srcMac: parseMac(B)
}

function error(fields: ErrorFields, frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const answer = icmpError(fields, viewOf(frame), 0, frame.length)
  assert.ok(answer)
  return answer
}

test('SR-07 an IPv4 error goes back to the sender and quotes the packet', () => {
  const frame = v4.udp(1, 2).payload(10).frame()
  const answer = error(unreachable, frame)
  assert.equal(
    describeFrame(answer),
    `${B} > ${A} IPv4 10.0.1.254 > 10.0.1.1 ttl 64 ICMP unreachable code 13 about ` +
      '{IPv4 10.0.1.1 > 10.0.2.3 ttl 64 UDP 1 > 2 length 10}'
  )
  assert.deepEqual(answer.slice(42), frame.slice(14))
  assert.ok(ipv4.checksumValid(viewOf(answer), 14))
  assert.ok(l4Valid(viewOf(answer), 14, 34, answer.length, ipv4.Protocol.icmp))
})

test('an IPv4 error has at most 576 bytes (RFC 1812), an IPv6 error at most 1280', () => {
  const four = error(unreachable, v4.udp(1, 2).payload(2000).frame())
  assert.equal(four.length, 14 + 576)
  assert.ok(ipv4.fits(viewOf(four), 14, four.length))
  assert.ok(l4Valid(viewOf(four), 14, 34, four.length, ipv4.Protocol.icmp))
  const frame = v6.udp(1, 2).payload(2000).frame()
  const six = error(tooBig, frame)
  assert.equal(six.length, 14 + 1280)
  assert.deepEqual(six.slice(62), frame.slice(14, 14 + 1232))
  assert.ok(l4Valid(viewOf(six), 14, 54, six.length, ipv4.Protocol.icmpv6))
})

test('an IPv6 error carries its MTU', () => {
  const answer = error(tooBig, v6.tcp(1, 80).payload(3).frame())
  assert.equal(icmpv6.mtu(viewOf(answer), 54), 1400)
  assert.match(describeFrame(answer), /2001:db8::fe > 2001:db8::1 hops 64 ICMPv6 packet-too-big/)
})

test('the MTU of IPv4 is the low half of its word, a pointer the first byte', () => {
  const frame = v4.udp(1, 2).frame()
  const needed = { ...unreachable, code: icmp.Unreachable.fragmentationNeeded, param: 1400 }
  assert.equal(viewOf(error(needed, frame)).getUint32(38), 1400)
  const problem = { ...unreachable, type: icmp.Type.parameterProblem, code: 0, param: 20 }
  assert.equal(viewOf(error(problem, frame)).getUint32(38), 20 << 24)
})

test('tags come back, Ethernet padding does not', () => {
  const tagged = eth(A, B).vlan(10).ipv4('10.0.1.1', '10.0.2.3').udp(1, 2).frame(80)
  const answer = error(unreachable, tagged)
  assert.match(describeFrame(answer), /> 02:00:00:00:00:01 vlan 10 IPv4 10\.0\.1\.254/)
  assert.equal(answer.length, 18 + 28 + 28)
})

test('the next hop may be another than the sender of the frame', () => {
  const answer = error(
    { ...unreachable, dstMac: parseMac('02:00:00:00:00:09') },
    v4.udp(1, 2).frame()
  )
  assert.match(describeFrame(answer), /^02:00:00:00:00:02 > 02:00:00:00:00:09 /)
})

test('without a whole IP packet there is no error', () => {
  const cut = v4.udp(1, 2).payload(9).frame().slice(0, -1)
  const frames = [cut, eth(A, B).arpRequest(A, '10.0.0.1', '10.0.0.2').frame(), new Uint8Array(13)]
  for (const frame of frames) {
    assert.equal(icmpError(unreachable, viewOf(frame), 0, frame.length), undefined)
    assert.ok(!mayAnswerWithError(viewOf(frame), 0, frame.length))
  }
})

const src4 = (ip: string): PacketBuilder => eth(A, B).ipv4(ip, '10.0.2.3').udp(1, 2)
const dst4 = (ip: string): PacketBuilder => eth(A, B).ipv4('10.0.1.1', ip).udp(1, 2)
const src6 = (ip: string): PacketBuilder => eth(A, B).ipv6(ip, '2001:db8::2').udp(1, 2)
const later = { fragmentOffset: 8, protocol: 17 }

const silent: Record<string, PacketBuilder> = {
  'an ICMP error': v4.icmp(icmp.Type.timeExceeded).payload(28),
  'an ICMP redirect': v4.icmp(icmp.Type.redirect).payload(28),
  'an ICMP type nobody knows': v4.icmp(200).payload(28),
  'an ICMP message without a type': eth(A, B).ipv4('10.0.1.1', '10.0.2.3', { protocol: 1 }),
  'a later fragment': eth(A, B).ipv4('10.0.1.1', '10.0.2.3', later).payload(8),
  'a multicast destination': dst4('224.0.0.5'),
  'the limited broadcast': dst4('255.255.255.255'),
  'an Ethernet group': eth(A, GROUP).ipv4('10.0.1.1', '10.0.2.3').udp(1, 2),
  'an Ethernet broadcast': eth(A, 'ff:ff:ff:ff:ff:ff').ipv4('10.0.1.1', '10.0.2.3').udp(1, 2),
  'a frame from a group': eth(GROUP, B).ipv4('10.0.1.1', '10.0.2.3').udp(1, 2),
  'an unspecified source': src4('0.0.0.0'),
  'a loopback source': src4('127.0.0.1'),
  'a multicast source': src4('224.0.0.1'),
  'a broadcast source': src4('255.255.255.255'),
  'an ICMPv6 error': v6.icmpv6(icmpv6.Type.unreachable).payload(48),
  'an ICMPv6 error behind extensions': v6.extension('destination').icmpv6(3).payload(48),
  'an ICMPv6 redirect': v6.icmpv6(icmpv6.Type.redirect).payload(48),
  'an IPv6 multicast destination': eth(A, B).ipv6('2001:db8::1', 'ff02::5').udp(1, 2),
  'a neighbour solicitation to a group': solicit(A, 'fe80::1', 'fe80::2'),
  'an unspecified IPv6 source': src6('::'),
  'an IPv6 loopback source': src6('::1'),
  'an IPv6 multicast source': src6('ff02::1')
}

for (const [name, packet] of Object.entries(silent))
  test(`INV-15 no error about ${name}`, () => {
    const frame = packet.frame()
    assert.ok(!mayAnswerWithError(viewOf(frame), 0, frame.length), describeFrame(frame))
  })

const answered: Record<string, PacketBuilder> = {
  UDP: v4.udp(1, 2),
  TCP: v4.tcp(1, 2),
  'an echo request': v4.icmpEcho(1, 2),
  'a first fragment': eth(A, B).ipv4('10.0.1.1', '10.0.2.3', { moreFragments: true }).udp(1, 2),
  'a protocol nobody knows': v4.payload(20),
  'B8: a later IPv6 fragment': v6.fragment6(1, 8, false, 17).payload(8),
  'UDP over IPv6': v6.udp(1, 2),
  'an ICMPv6 echo request': v6.icmpv6Echo(1, 2),
  'a tagged packet': eth(A, B).vlan(4).ipv4('10.0.1.1', '10.0.2.3').udp(1, 2)
}

for (const [name, packet] of Object.entries(answered))
  test(`an error about ${name} is allowed`, () => {
    const frame = packet.frame()
    assert.ok(mayAnswerWithError(viewOf(frame), 0, frame.length))
  })

test('groups may be told that a packet is too big, in IPv6 only (RFC 4443 §2.4 e.3)', () => {
  const six = eth(A, '33:33:00:00:00:05').ipv6('2001:db8::1', 'ff0e::5').udp(1, 2).frame()
  assert.ok(mayAnswerWithError(viewOf(six), 0, six.length, true))
  assert.ok(!mayAnswerWithError(viewOf(six), 0, six.length))
  const four = eth(A, GROUP).ipv4('10.0.1.1', '224.0.0.5').udp(1, 2).frame()
  assert.ok(!mayAnswerWithError(viewOf(four), 0, four.length, true))
})

test('an error at an offset in a shared buffer is the same error', () => {
  const frame = v6.udp(1, 2).payload(30).frame()
  const shared = new Uint8Array(400).fill(0xee)
  shared.set(frame, 128)
  const view = new DataView(shared.buffer, 28)
  assert.deepEqual(icmpError(tooBig, view, 100, 100 + frame.length), error(tooBig, frame))
  assert.ok(ipv6.fits(view, 114, 100 + frame.length))
})
