// Neighbour discovery: messages that are written and read, and those RFC 4861 will not believe.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkLocal, parseIp, parseMac } from './address.ts'
import { eth, solicit } from './builder.ts'
import { l4Valid } from './checksum.ts'
import { describeFrame } from './describe.ts'
import { neighbourAdvertisement, neighbourSolicitation } from './frames.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv6 from './ipv6.ts'
import * as nd from './nd.ts'

const L3 = 14
const L4 = 54
const M1 = '02:00:00:00:00:01'
const M2 = '02:00:00:00:00:02'
const mac1 = parseMac(M1)
const mac2 = parseMac(M2)
const ip = (text: string): Int32Array => parseIp(text).words
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer)
const advertised = eth(M1, M2).ipv6('fe80::1', 'fe80::2', { hopLimit: 255 })

test("a solicitation names the target and the asker, and goes to the target's group", () => {
  const frame = neighbourSolicitation(mac1, ip('2001:db8::1'), ip('2001:db8::abcd:2'))
  assert.deepEqual(frame, solicit(M1, '2001:db8::1', '2001:db8::abcd:2').frame())
  const view = viewOf(frame)
  const target = new Int32Array(4)
  nd.readTarget(view, L4, target, 0)
  assert.deepEqual(target, ip('2001:db8::abcd:2'))
  assert.equal(nd.linkLayer(view, L4, frame.length, nd.Option.sourceLinkLayer), mac1)
  assert.ok(nd.acceptable(view, L3, L4, frame.length))
  assert.ok(l4Valid(view, L3, L4, frame.length, ipv6.Protocol.icmpv6))
  assert.equal(
    describeFrame(frame),
    `${M1} > 33:33:ff:cd:00:02 IPv6 2001:db8::1 > ff02::1:ffcd:2 hops 255 ` +
      `ICMPv6 who-has 2001:db8::abcd:2 mac ${M1}`
  )
})

test('an advertisement answers it', () => {
  const to = { mac: mac2, ip: ip('fe80::2') }
  const flags = nd.Flag.router | nd.Flag.solicited | nd.Flag.override
  const frame = neighbourAdvertisement(mac1, ip('fe80::1'), flags, to)
  const view = viewOf(frame)
  assert.equal(nd.flags(view, L4), flags)
  assert.equal(nd.linkLayer(view, L4, frame.length, nd.Option.targetLinkLayer), mac1)
  assert.equal(nd.linkLayer(view, L4, frame.length, nd.Option.sourceLinkLayer), -1)
  assert.ok(nd.acceptable(view, L3, L4, frame.length))
  assert.deepEqual(frame, advertised.na('fe80::1', { mac: M1, flags }).frame())
})

test('a probe for duplicates gives no MAC', () => {
  const probe = eth(M1, M2).ipv6('::', 'ff02::1:ff00:1', { hopLimit: 255 }).ns('fe80::1').frame()
  assert.equal(nd.linkLayer(viewOf(probe), L4, probe.length, nd.Option.sourceLinkLayer), -1)
  assert.ok(nd.acceptable(viewOf(probe), L3, L4, probe.length))
})

test('a router advertisement is read, options behind it too', () => {
  const body = new Uint8Array(8 + 8 + 32 + 8)
  body.set([nd.Option.sourceLinkLayer, 1, 2, 0, 0, 0, 0, 2], 8)
  body.set([nd.Option.prefix, 4, 64], 16)
  body.set([nd.Option.mtu, 1], 48)
  const frame = advertised.icmpv6(134, 0, 0x4080_0708).payload(body).frame()
  const out = viewOf(frame)
  assert.ok(nd.acceptable(out, L3, L4, frame.length))
  assert.equal(nd.optionAt(out, L4, frame.length, nd.Option.mtu), L4 + 16 + 40)
  assert.equal(nd.linkLayer(out, L4, frame.length, nd.Option.sourceLinkLayer), mac2)
})

const good = advertised.na('fe80::1', { mac: M1 }).frame()
for (const { name, at, value } of [
  { name: 'a hop limit below 255 (it has crossed a router)', at: L3 + 7, value: 254 },
  { name: 'a code other than 0', at: L4 + 1, value: 1 },
  { name: 'a group as target', at: L4 + 8, value: 0xff },
  { name: 'an option of length 0', at: L4 + 25, value: 0 },
  { name: 'an option beyond the message', at: L4 + 25, value: 2 }
])
  test(`${name} is not believed`, () => {
    const frame = good.slice()
    assert.ok(nd.acceptable(viewOf(frame), L3, L4, frame.length))
    frame[at] = value
    assert.ok(!nd.acceptable(viewOf(frame), L3, L4, frame.length))
  })

test('a message shorter than its fixed part, and more options than sound, are not believed', () => {
  assert.ok(!nd.acceptable(viewOf(good), L3, L4, L4 + 23))
  const many = new Uint8Array(8 * (nd.OPTIONS_MAX + 1)).map((_, i) => (i % 8 === 1 ? 1 : 99))
  const target = new Uint8Array(16).fill(1)
  const frame = advertised.icmpv6(136).payload(target).payload(many).frame()
  assert.ok(!nd.acceptable(viewOf(frame), L3, L4, frame.length))
  assert.ok(nd.acceptable(viewOf(frame), L3, L4, frame.length - 8))
  assert.equal(nd.optionAt(viewOf(frame), L4, frame.length, 1), -1)
})

test('the accessors of ICMPv6 hold for these messages', () => {
  assert.equal(icmpv6.type(viewOf(good), L4), icmpv6.Type.neighbourAdvertisement)
  assert.deepEqual(linkLocal(mac1), ip('fe80::ff:fe00:1'))
})

// --- RFC 4861 §6.1, §7.1, §8.1 -------------------------------------------------------------------

const GROUP = 'ff02::1:ff00:1'
const from = (src: string, dst: string, hopLimit = 255) => eth(M1, M2).ipv6(src, dst, { hopLimit })
const raw = (src: string, dst: string, type: number, flags = 0) =>
  from(src, dst)
    .icmpv6(type, 0, flags)
    .payload(new Uint8Array(type === 137 ? 32 : 8))
const spoilt = (frame: Uint8Array): Uint8Array => {
  frame[frame.length - 1]! ^= 1
  return frame
}

for (const [what, isBelieved, frame] of [
  ['a solicitation', true, from('fe80::2', GROUP).ns('fe80::1', { mac: M1 }).frame()],
  ['a solicitation to one node', true, from('fe80::2', 'fe80::1').ns('fe80::1').frame()],
  ['a probe', true, from('::', GROUP).ns('fe80::1').frame()],
  [
    'a probe with a link-layer address',
    false,
    from('::', GROUP).ns('fe80::1', { mac: M1 }).frame()
  ],
  ['a probe to all nodes', false, from('::', 'ff02::1').ns('fe80::1').frame()],
  ['a probe to one node', false, from('::', 'fe80::1').ns('fe80::1').frame()],
  ['a solicitation from beyond', false, from('fe80::2', GROUP, 254).ns('fe80::1').frame()],
  ['a solicitation for a group', false, from('fe80::2', GROUP).ns('ff02::1').frame()],
  ['a wrong checksum', false, spoilt(from('fe80::2', GROUP).ns('fe80::1', { mac: M1 }).frame())],
  ['a piece', false, from('fe80::2', GROUP).fragment6(1, 0, true).ns('fe80::1').frame()],
  ['an atomic piece', false, from('fe80::2', GROUP).fragment6(1, 0, false).ns('fe80::1').frame()],
  ['an advertisement', true, from('fe80::1', 'fe80::2').na('fe80::1', { mac: M1 }).frame()],
  [
    'an announcement',
    true,
    from('fe80::1', 'ff02::1').na('fe80::1', { mac: M1, flags: 0 }).frame()
  ],
  ['an answer to all nodes', false, from('fe80::1', 'ff02::1').na('fe80::1', { mac: M1 }).frame()],
  ['a router advertisement', true, raw('fe80::1', 'ff02::1', 134).frame()],
  ['a router advertisement from afar', false, raw('2001:db8::1', 'ff02::1', 134).frame()],
  ['a redirect from afar', false, raw('2001:db8::1', 'fe80::2', 137).frame()]
] as const)
  test(`B10: ${what} is ${isBelieved ? '' : 'not '}believed`, () => {
    assert.equal(nd.believed(viewOf(frame), L3, frame.length) >= 0, isBelieved)
  })
