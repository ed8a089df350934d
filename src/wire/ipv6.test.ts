// IPv6: the header, the bounded walk along extension headers, and setters that find the checksum
// behind them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseIp } from './address.ts'
import { eth } from './builder.ts'
import { l4Valid } from './checksum.ts'
import * as ipv6 from './ipv6.ts'

fc.configureGlobal({ seed: 20_260_110 })

const L3 = 14
const base = eth('02:00:00:00:00:01', '02:00:00:00:00:02')
const ip = base.ipv6('2001:db8::1', '2001:db8::2')
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer)

const words = fc
  .tuple(fc.integer(), fc.integer(), fc.integer(), fc.integer())
  .map(w => Int32Array.from(w))

test('emit, then parse, is the identity', () => {
  const fields = fc.record(
    {
      src: words,
      dst: words,
      nextHeader: fc.nat(255),
      hopLimit: fc.nat(255),
      payloadLength: fc.nat(1000),
      trafficClass: fc.nat(255),
      flowLabel: fc.nat(0xf_ffff)
    },
    { noNullPrototype: true }
  )
  fc.assert(
    fc.property(fields, f => {
      const view = new DataView(new ArrayBuffer(1100))
      ipv6.emit(view, 5, f)
      assert.ok(ipv6.fits(view, 5, 45 + f.payloadLength))
      assert.ok(!ipv6.fits(view, 5, 44 + f.payloadLength))
      const both = new Int32Array(8)
      ipv6.readSrc(view, 5, both, 0)
      ipv6.readDst(view, 5, both, 4)
      assert.deepEqual(f, {
        src: both.slice(0, 4),
        dst: both.slice(4),
        nextHeader: ipv6.nextHeader(view, 5),
        hopLimit: ipv6.hopLimit(view, 5),
        payloadLength: ipv6.payloadLength(view, 5),
        trafficClass: ipv6.trafficClass(view, 5),
        flowLabel: ipv6.flowLabel(view, 5)
      })
    })
  )
})

test('the walk ends at layer 4, past every kind of extension header', () => {
  const ah = Uint8Array.of(17, 4, ...new Uint8Array(22)) // next UDP, (4 + 2) * 4 = 24 bytes
  const frame = base
    .ipv6('2001:db8::1', '2001:db8::2')
    .extension('hop-by-hop')
    .extension('routing', Uint8Array.of(4, 1, 0, 0, 0, 0))
    .extension('destination', new Uint8Array(14))
    .fragment6(0xdead_beef, 0, true, ipv6.Protocol.ah)
    .payload(ah)
    .payload(8)
    .frame()
  const view = viewOf(frame)
  assert.ok(ipv6.walk(view, L3, frame.length))
  assert.equal(ipv6.walked.protocol, 17)
  assert.equal(ipv6.walked.l4, L3 + 40 + 8 + 8 + 16 + 8 + 24)
  assert.equal(ipv6.walked.nextHeaderAt, L3 + 40 + 40)
  assert.equal(ipv6.walked.segmentsLeft, 1)
  assert.equal(ipv6.walked.fragmentAt, L3 + 40 + 32)
  assert.ok(ipv6.walkedFragment())
  assert.equal(ipv6.fragmentId(view, ipv6.walked.fragmentAt), 0xdead_beef)
})

test('the walk ends at a later fragment, whose bytes are no header', () => {
  const frame = ip.fragment6(1, 1480, false, ipv6.Protocol.hopByHop).payload(40).frame()
  assert.ok(ipv6.walk(viewOf(frame), L3, frame.length))
  const { protocol, l4, fragmentOffset, moreFragments } = ipv6.walked
  assert.deepEqual([protocol, l4], [ipv6.Protocol.hopByHop, L3 + 48])
  assert.deepEqual([fragmentOffset, moreFragments], [1480, false])
})

test('eight extension headers are walked, nine are not', () => {
  const chain = (n: number) => {
    let packet = ip
    for (let i = 0; i < n; i++) packet = packet.extension('destination')
    return packet.udp(1, 2).frame()
  }
  assert.ok(ipv6.walk(viewOf(chain(8)), L3, chain(8).length))
  assert.equal(ipv6.walked.protocol, 17)
  assert.ok(!ipv6.walk(viewOf(chain(9)), L3, chain(9).length))
})

test('a chain that is cut short does not hold', () => {
  const frame = ip.extension('hop-by-hop', new Uint8Array(14)).payload(0).frame()
  assert.ok(ipv6.walk(viewOf(frame), L3, frame.length))
  assert.equal(ipv6.walked.protocol, ipv6.Protocol.none)
  assert.ok(!ipv6.walk(viewOf(frame), L3, frame.length - 1))
  frame[L3 + 41] = 2 // the header says 24 bytes, and there are 16
  assert.ok(!ipv6.walk(viewOf(frame), L3, frame.length))
})

test('a walk leaves nothing of the one before it', () => {
  const fragment = ip.fragment6(1, 8, true, 17).payload(8).frame()
  assert.ok(ipv6.walk(viewOf(fragment), L3, fragment.length) && ipv6.walkedFragment())
  const plain = ip.udp(1, 2).frame()
  assert.ok(ipv6.walk(viewOf(plain), L3, plain.length))
  assert.deepEqual(ipv6.walked, {
    protocol: 17,
    l4: L3 + 40,
    nextHeaderAt: L3 + 6,
    fragmentAt: 0,
    fragmentOffset: 0,
    moreFragments: false,
    isAuthenticated: false,
    segmentsLeft: 0
  })
})

test('new addresses leave the checksum behind extension headers true', () => {
  fc.assert(
    fc.property(
      words,
      words,
      fc.constantFrom('udp', 'tcp', 'icmpv6'),
      fc.nat(3),
      (src, dst, l4, n) => {
        let packet = ip
        for (let i = 0; i < n; i++) packet = packet.extension('destination')
        const frame =
          l4 === 'udp'
            ? packet.udp(1, 2).payload(5).frame()
            : l4 === 'tcp'
              ? packet.tcp(1, 2).frame()
              : packet.icmpv6Echo(1, 2).payload(3).frame()
        const view = viewOf(frame)
        ipv6.setSrc(view, L3, src, 0)
        ipv6.setDst(view, L3, dst, 0)
        assert.deepEqual(
          [0, 1, 2, 3].map(i => ipv6.srcWord(view, L3, i)),
          [...src]
        )
        assert.deepEqual(
          [0, 1, 2, 3].map(i => ipv6.dstWord(view, L3, i)),
          [...dst]
        )
        assert.ok(ipv6.walk(view, L3, frame.length))
        assert.ok(l4Valid(view, L3, ipv6.walked.l4, frame.length, ipv6.walked.protocol))
      }
    )
  )
})

test('with segments left the destination is not in the checksum, the source is', () => {
  const routed = Uint8Array.of(0, 1, 0, 0, 0, 0)
  const frame = ip.extension('routing', routed).udp(1, 2).frame()
  const view = viewOf(frame)
  const before = view.getUint16(L3 + 48 + 6)
  ipv6.setDst(view, L3, parseIp('fe80::9').words, 0)
  assert.equal(view.getUint16(L3 + 48 + 6), before)
  ipv6.setSrc(view, L3, parseIp('fe80::9').words, 0)
  assert.notEqual(view.getUint16(L3 + 48 + 6), before)
})

test('class and hop limit leave version and flow label alone', () => {
  const view = viewOf(base.ipv6('::1', '::2', { flowLabel: 0xabcde, hopLimit: 1 }).frame())
  ipv6.setTrafficClass(view, L3, 0xff)
  ipv6.setHopLimit(view, L3, 0)
  assert.equal(view.getUint32(L3), 0x6ffa_bcde)
  assert.equal(ipv6.hopLimit(view, L3), 0)
})

test('fragments make up the packet they were cut from', () => {
  const packet = ip.extension('hop-by-hop').udp(5, 6).payload(3000)
  const frame = packet.frame()
  const body: number[] = []
  for (const piece of packet.fragments(1280, 99)) {
    const view = viewOf(piece)
    assert.ok(ipv6.fits(view, L3, piece.length) && piece.length - L3 <= 1280)
    assert.ok(ipv6.walk(view, L3, piece.length))
    assert.equal(ipv6.walked.protocol, 17)
    assert.equal(ipv6.walked.fragmentOffset, body.length)
    assert.equal(ipv6.fragmentId(view, ipv6.walked.fragmentAt), 99)
    body.push(...piece.subarray(ipv6.walked.l4))
    assert.equal(ipv6.walked.moreFragments, body.length < 3008)
  }
  assert.deepEqual(Uint8Array.from(body), frame.slice(L3 + 48))
})
