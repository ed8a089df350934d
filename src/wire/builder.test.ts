// The builder: bytes that were written down by others, true lengths, refusals that name the value.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arpRequest, eth } from './builder.ts'
import { describeFrame } from './describe.ts'
import { tcpFlags } from './layers.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

// Checked once with tshark, checksums included; kept as bytes so that it stays checked.
test('a tagged UDP packet is these bytes', () => {
  const packet = eth(A, B).vlan(10).ipv4('10.0.1.1', '10.0.2.3', { ttl: 63, tos: 4, id: 9 })
  assert.equal(
    hex(packet.udp(1234, 53).payload('hi').frame()),
    '020000000002020000000001' +
      '8100000a0800' +
      '4504001e000900003f1164bf0a0001010a000203' +
      '04d20035000a7b66' +
      '6869'
  )
})

test('a builder never changes: one beginning serves many frames', () => {
  const ip = eth(A, B).ipv4('10.0.1.1', '10.0.2.3')
  const before = hex(ip.frame())
  const udp = ip.udp(1, 2)
  assert.notEqual(hex(udp.payload(1).frame()), hex(udp.payload(2).frame()))
  assert.equal(hex(ip.frame()), before)
})

test('short frames are padded on request, and the padding is no part of the packet', () => {
  const frame = arpRequest(A, '10.0.0.1', '10.0.0.2').frame(60)
  assert.equal(frame.length, 60)
  assert.deepEqual(frame.subarray(42), new Uint8Array(18))
})

test('a frame without a payload layer has the type it is given, or an experimental one', () => {
  assert.equal(hex(eth(A, B, 0x1234).payload(1).frame()).slice(24), '123400')
  assert.equal(hex(eth(A, B).payload(1).frame()).slice(24), '88b500')
})

test('payloads: bytes, text, or a pattern of a length', () => {
  const body = (payload: Uint8Array | string | number): string =>
    hex(eth(A, B).payload(payload).frame()).slice(28)
  assert.equal(body(Uint8Array.of(9, 8)), '0908')
  assert.equal(body('é'), 'c3a9')
  assert.equal(body(3), '000102')
})

test('what is not an address, or of the other family, is refused by name', () => {
  assert.throws(() => eth('nonsense', B).frame(), /"nonsense" is not valid: expected a MAC/)
  assert.throws(() => eth(A, B).ipv4('fe80::1', '10.0.0.1').frame(), /"fe80::1".*IPv4/)
  assert.throws(() => eth(A, B).ipv6('fe80::1', '10.0.0.1').frame(), /"10.0.0.1".*IPv6/)
  assert.throws(() => eth(A, B).tcp(1, 2, { flags: 'SX' }).frame(), /"SX".*FSRPAUEW/)
  const options = new Uint8Array(41)
  assert.throws(() => eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { options }), /at most 40/)
})

test('TCP flags by letter', () => {
  assert.equal(tcpFlags('SA'), 0x12)
  assert.equal(tcpFlags('FSRP.UEW'), 0xff)
  assert.equal(tcpFlags(''), 0)
})

test('layers nest as they are written', () => {
  const frame = eth(A, B)
    .ipv4('192.0.2.1', '192.0.2.2')
    .gre({ key: 77 })
    .eth(B, A)
    .vlan(5)
    .ipv6('2001:db8::1', '2001:db8::2')
    .icmpv6Echo(3, 4)
    .payload(10)
    .frame()
  assert.equal(
    describeFrame(frame),
    `${A} > ${B} IPv4 192.0.2.1 > 192.0.2.2 ttl 64 GRE key 77 | ${B} > ${A} vlan 5 ` +
      'IPv6 2001:db8::1 > 2001:db8::2 hops 64 ICMPv6 echo request id 3 seq 4 length 10'
  )
})
