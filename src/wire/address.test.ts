// Addresses against ipaddr.js, which knows the same formats from another hand, and against the
// examples of the RFCs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { casesOf } from '../../test/cases.ts'
import * as address from './address.ts'

fc.configureGlobal({ seed: 20_260_110 })

const words4 = fc.tuple(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), fc.nat())
// Zero groups are what makes IPv6 text hard: half of all groups are.
const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })

const parse6 = (text: string): Int32Array => {
  const words = new Int32Array(4)
  address.parseIpv6(text, words, 0)
  return words
}
const bytesOf = (words: Int32Array): number[] =>
  [...words].flatMap(word => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255])

test('a MAC survives text, and its two words', () => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.nat(0xffff_ffff), (hi, lo) => {
      const mac = address.macFrom(hi, lo | 0)
      assert.equal(address.parseMac(address.formatMac(mac)), mac)
      assert.equal(address.macHi(mac), hi)
      assert.equal(address.macLo(mac), lo | 0)
    })
  )
  assert.equal(address.formatMac(address.MAC_BROADCAST), 'ff:ff:ff:ff:ff:ff')
  assert.equal(address.parseMac('0A:0b:00:00:00:01'), 0x0a0b_0000_0001)
})

test('the group bit is the lowest of the first byte', () => {
  assert.ok(address.macIsGroup(address.MAC_BROADCAST))
  assert.ok(address.macIsGroup(address.parseMac('01:00:5e:00:00:01')))
  assert.ok(!address.macIsGroup(address.parseMac('fe:ff:ff:ff:ff:ff')))
})

test('IPv4 text agrees with ipaddr.js', () => {
  fc.assert(
    fc.property(fc.ipV4(), text => {
      const ip = address.parseIpv4(text)
      assert.deepEqual(bytesOf(Int32Array.of(ip)), ipaddr.IPv4.parse(text).toByteArray())
      assert.equal(address.formatIpv4(ip), text)
    })
  )
})

test('IPv6 text agrees with ipaddr.js, both ways', () => {
  fc.assert(
    fc.property(fc.ipV6(), text => {
      // ipaddr.js takes `::1.2.3.4` for an IPv4-mapped address; RFC 4291 §2.5.5.1 does not.
      fc.pre(!/^::\d+\./.test(text))
      assert.deepEqual(bytesOf(parse6(text)), ipaddr.IPv6.parse(text).toByteArray())
    }),
    { numRuns: casesOf(500) }
  )
  fc.assert(
    fc.property(groups, parts => {
      const theirs = new ipaddr.IPv6(parts)
      const words = parse6(theirs.toNormalizedString())
      const mapped = theirs.isIPv4MappedAddress()
      const text = address.formatIpv6(words, 0)
      if (!mapped) assert.equal(text, theirs.toRFC5952String())
      assert.deepEqual(parse6(text), words)
    }),
    { numRuns: casesOf(500) }
  )
})

test('IPv6 text is that of RFC 5952', () => {
  const cases = {
    '2001:0db8::0001': '2001:db8::1',
    '2001:db8:0:0:0:0:2:1': '2001:db8::2:1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '2001:0:0:1:0:0:0:1': '2001:0:0:1::1',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:DB8::ABCD': '2001:db8::abcd',
    '0:0:0:0:0:0:0:0': '::',
    '1:0:0:0:0:0:0:0': '1::',
    '::ffff:c000:0201': '::ffff:192.0.2.1',
    '64:ff9b::192.0.2.33': '64:ff9b::c000:221'
  }
  for (const [text, canonical] of Object.entries(cases))
    assert.equal(address.formatIpv6(parse6(text), 0), canonical)
})

test('what is not an address is refused with the value and what was expected', () => {
  const refused: Record<string, (text: string) => unknown> = {
    'MAC address': address.parseMac,
    'IPv4 address such': address.parseIpv4,
    'IPv6 address such': parse6,
    'IPv6 address': address.parseIp,
    prefix: address.parsePrefix
  }
  const bad = ['', ' ', 'x', '10.0.0', '10.0.0.256', '10.0.0.01', '10.0.0.1.1', '1e1.0.0.0']
  const bad6 = [':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', '::g']
  const dotted = ['1.2.3.4::', '::1.2.3', '::1.2.3.4:5', '1:2:3:4:5:6:7:1.2.3.4', 'fe80::1%eth0']
  for (const [expected, parse] of Object.entries(refused))
    for (const text of [...bad, ...bad6, ...dotted, '02:00:00:00:00', '02:00:00:00:00:0g'])
      assert.throws(() => parse(text), { name: 'RangeError', message: new RegExp(expected) }, text)
  assert.throws(() => address.parseIpv4('10.0.0.256'), /"10\.0\.0\.256" is not valid: expected/)
  assert.throws(
    () => address.parseIp('9'.repeat(1e5)),
    error => String(error).length < 200
  )
})

test('no text makes a parser throw anything but a RangeError', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./]{0,50}$/))
  const parsers = [
    address.parseMac,
    address.parseIpv4,
    parse6,
    address.parseIp,
    address.parsePrefix
  ]
  fc.assert(
    fc.property(text, candidate => {
      for (const parse of parsers) {
        try {
          parse(candidate)
        } catch (error) {
          assert.ok(error instanceof RangeError)
        }
      }
      // Nobody accepts less than ipaddr.js refuses: no text has a meaning of our own.
      if (candidate.includes(':') && !ipaddr.IPv6.isValid(candidate))
        assert.throws(() => parse6(candidate))
    }),
    { numRuns: casesOf(2000) }
  )
})

test('a prefix keeps its host bits, and its network has none', () => {
  const prefix = address.parsePrefix('10.1.2.3/15')
  assert.deepEqual([...prefix.words], [0, 0, 0, 0x0a01_0203])
  assert.equal(prefix.length, 15)
  assert.equal(address.formatPrefix(prefix), '10.1.2.3/15')
  assert.equal(address.formatPrefix(address.networkOf(prefix)), '10.0.0.0/15')
  const wide = address.networkOf(address.parsePrefix('2001:db8:1:2:3::/33'))
  assert.equal(address.formatPrefix(wide), '2001:db8::/33')
})

test('prefix lengths are bounded by the family', () => {
  assert.throws(() => address.parsePrefix('10.0.0.0/33'), /from 0 to 32/)
  assert.throws(() => address.parsePrefix('::/129'), /from 0 to 128/)
  for (const text of ['10.0.0.0', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/08', '/8', '::/1/2'])
    assert.throws(() => address.parsePrefix(text), RangeError, text)
})

test('containment agrees with ipaddr.js', () => {
  fc.assert(
    fc.property(words4, fc.nat(128), fc.nat(128), (w, length, flipped) => {
      const words = Int32Array.from(w)
      const other = words.slice()
      // Most pairs differ in one bit only: at the edge of the prefix the answer is interesting.
      if (flipped < 128) other[flipped >>> 5]! ^= 1 << (31 - (flipped & 31))
      for (const family of [4, 6] as const) {
        const bits = family === 4 ? length % 33 : length
        const [a, b] = family === 4 ? [last(words), last(other)] : [words, other]
        const ours = address.prefixContains(
          { family, words: a, length: bits },
          { family, words: b }
        )
        const theirs = theirIp(family, b).match(theirIp(family, a), bits)
        assert.equal(ours, theirs)
      }
    }),
    { numRuns: casesOf(1000) }
  )
  const four = address.parsePrefix('0.0.0.0/0')
  assert.ok(!address.prefixContains(four, address.parseIp('::')), 'families do not mix')
})

const last = (words: Int32Array): Int32Array => Int32Array.of(0, 0, 0, words[3]!)
const theirIp = (family: 4 | 6, words: Int32Array) =>
  ipaddr.fromByteArray(bytesOf(words).slice(family === 4 ? 12 : 0)) as ipaddr.IPv6

test('a mask word has as many bits as asked, from 0 to 32', () => {
  assert.deepEqual([-5, 0, 1, 24, 31, 32, 90].map(address.maskWord), [
    0,
    0,
    0x8000_0000 | 0,
    -256,
    -2,
    -1,
    -1
  ])
})

test('classes of addresses', () => {
  const v4 = (text: string): number => address.parseIpv4(text)
  assert.ok(
    address.ipv4IsMulticast(v4('239.255.255.255')) && !address.ipv4IsMulticast(v4('240.0.0.0'))
  )
  assert.ok(address.ipv4IsLoopback(v4('127.255.0.1')) && !address.ipv4IsLoopback(v4('128.0.0.1')))
  assert.ok(address.ipv4IsUnicast(v4('223.255.255.255')) && !address.ipv4IsUnicast(v4('224.0.0.1')))
  assert.ok(!address.ipv4IsUnicast(v4('0.1.2.3')) && !address.ipv4IsUnicast(address.IPV4_BROADCAST))
  assert.ok(address.ipv6IsLinkLocal(parse6('febf::1')[0]!))
  assert.ok(!address.ipv6IsLinkLocal(parse6('fec0::1')[0]!))
  assert.ok(address.ipv6IsMulticast(parse6('ff02::1')[0]!))
  assert.ok(address.ipv6IsUnspecified(0, 0, 0, 0) && !address.ipv6IsUnspecified(0, 0, 0, 1))
  assert.ok(address.ipv6IsLoopback(0, 0, 0, 1) && !address.ipv6IsLoopback(1, 0, 0, 1))
})

test('addresses made of others are those of the RFCs', () => {
  const mac = address.parseMac('34:56:78:9a:bc:de')
  assert.equal(address.formatIpv6(address.linkLocal(mac), 0), 'fe80::3656:78ff:fe9a:bcde')
  const node = address.solicitedNode(parse6('4037::01:800:200e:8c6c'))
  assert.equal(address.formatIpv6(node, 0), 'ff02::1:ff0e:8c6c')
  assert.equal(address.formatMac(address.multicastMac6(node[3]!)), '33:33:ff:0e:8c:6c')
})
