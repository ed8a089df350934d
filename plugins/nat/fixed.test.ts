// Translation without state: floating IPs, and prefixes by RFC 6296 (behaviours 4.5, RT-07).

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Verdict } from '../../src/simulation/verdict.ts'
import { formatIp, parseIp, parsePrefix } from '../../src/wire/address.ts'
import type { FilterBench } from '../../test/world/filter.ts'
import { prefixTranslation } from './fixed.ts'
import {
  answer,
  assertSameQuote,
  assertSound,
  benchOf,
  errorAbout,
  type Flow,
  flowOf,
  packet,
  passed
} from './fixture.test.ts'

const flow = (fields: Partial<Flow> = {}): Flow => ({
  protocol: 'tcp',
  src: '10.0.0.5',
  sport: 40_000,
  dst: '192.0.2.7',
  dport: 443,
  ...fields
})
const toFip = (fields: Partial<Flow> = {}): Flow =>
  flow({ src: '192.0.2.7', sport: 5000, dst: '100.100.100.100', dport: 8080, ...fields })

describe('without state', () => {
  const FIP = '100.100.100.100'
  const float = (): FilterBench =>
    benchOf(
      [{ action: 'dnat', destination: `${FIP}/32`, natTargets: [{ from: '10.0.0.5' }] }],
      [{ action: 'snat', source: '10.0.0.5/32', natTargets: [{ from: FIP }] }]
    )

  test('NAT-04 SN-13 a floating IP, both directions, and nothing is remembered', () => {
    const bench = float()
    for (const protocol of ['tcp', 'udp', 'ping', 'gre'] as const) {
      const inbound = toFip({
        protocol,
        dst: FIP,
        ...(protocol === 'ping' ? { sport: 4, dport: 4 } : {})
      })
      const arrived = passed(bench, 'in', packet(inbound))
      assert.equal(flowOf(arrived).dst, '10.0.0.5')
      assert.equal(flowOf(arrived).dport, flowOf(packet(inbound)).dport)
      assert.deepEqual([...passed(bench, 'out', answer(arrived))], [...answer(packet(inbound))])
    }
    assert.equal(bench.table.size, 0)
  })

  test('RT-07 errors about its packets are mended, inside and out', () => {
    const bench = float()
    const out = passed(bench, 'out', packet(flow()))
    const error = passed(bench, 'in', errorAbout(out, '172.16.0.1'))
    assert.equal(flowOf(error).dst, '10.0.0.5')
    assertSameQuote(error, packet(flow()))
    const sent = packet(toFip())
    const ours = passed(bench, 'out', errorAbout(passed(bench, 'in', sent)))
    assert.equal(flowOf(ours).src, FIP)
    assertSameQuote(ours, sent)
  })

  test('RT-07 a rule that looks into errors mends what a router inside says', () => {
    const sent = packet(toFip())
    const bench = benchOf(
      [{ action: 'dnat', destination: `${FIP}/32`, natTargets: [{ from: '10.0.0.5' }] }],
      [{ action: 'dnat', icmpDataDestination: '10.0.0.5/32', natTargets: [{ from: FIP }] }]
    )
    const error = passed(bench, 'out', errorAbout(passed(bench, 'in', sent), '172.16.0.1'))
    assert.equal(flowOf(error).src, '172.16.0.1')
    assertSameQuote(error, sent)
  })

  test('a flow of a floating IP asks for no ports', () => {
    const bench = float()
    passed(bench, 'out', packet(flow()))
    assert.equal(bench.ctx.key.mask[17], 0)
  })
})

const words = (text: string): Int32Array => parseIp(text).words

describe('RFC 6296', () => {
  const translate = (from: string, to: string, ip: string): string | undefined => {
    const into = new Int32Array(4)
    const work = prefixTranslation(parsePrefix(from), parsePrefix(to))
    return work(words(ip), into) ? formatIp({ family: 6, words: into }) : undefined
  }

  test('the example of the RFC, appendix B', () => {
    const [inside, outside] = ['fd01:203:405::/48', '2001:db8:1::/48']
    assert.equal(translate(inside, outside, 'fd01:203:405:1::1234'), '2001:db8:1:d550::1234')
    assert.equal(translate(outside, inside, '2001:db8:1:d550::1234'), 'fd01:203:405:1::1234')
  })

  test('a subnet of all ones has no translation, and its packet is dropped', () => {
    assert.equal(
      translate('fd01:203:405::/48', '2001:db8:1::/48', 'fd01:203:405:ffff::1'),
      undefined
    )
    const bench = prefixes('fd01:203:405::/48', '2001:db8:1::/48')
    const sent = flow({ src: 'fd01:203:405:ffff::1', dst: '2001:db8:9::9' })
    assert.equal(bench.run('out', packet(sent)), Verdict.drop)
    assert.equal(bench.ctx.outcome.dropReason, 'nat.no-such-prefix')
  })

  test('there and back again, of any prefixes and addresses, and checksums stay', () => {
    const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff })
    const ip = fc.tuple(word, word, word, word).map(w => Int32Array.from(w))
    fc.assert(
      fc.property(ip, ip, ip, fc.integer({ min: 1, max: 112 }), (a, b, host, length) => {
        const from = { family: 6, words: a, length } as const
        const to = { family: 6, words: b, length } as const
        const address = within(a, host, length)
        const [there, back] = [new Int32Array(4), new Int32Array(4)]
        if (!prefixTranslation(from, to)(address, there)) return
        assert.equal(sumOf(there), sumOf(address))
        assert.ok(prefixTranslation(to, from)(there, back))
        assert.deepEqual([...back], [...address])
      })
    )
  })
})

const sumOf = (of: Int32Array): number => {
  let sum = 0
  for (const word of of) sum += (word >>> 16) + (word & 0xffff)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum === 0xffff ? 0 : sum
}

function within(prefix: Int32Array, host: Int32Array, length: number): Int32Array {
  return Int32Array.from(prefix, (word, i) => {
    const bits = Math.max(0, Math.min(32, length - 32 * i))
    const mask = bits === 0 ? 0 : -1 << (32 - bits)
    return (word & mask) | (host[i]! & ~mask)
  })
}

const prefixes = (inside: string, outside: string): FilterBench =>
  benchOf(
    [{ action: 'dnat', destination: outside, natPrefix: inside }],
    [{ action: 'snat', source: inside, natPrefix: outside }]
  )

describe('whole prefixes', () => {
  for (const [inside, outside, src, dst] of [
    ['fd01:203:405::/48', '2001:db8:1::/48', 'fd01:203:405:1::1234', '2001:db8:9::9'],
    ['fd01:203:405:7::/64', '2001:db8:1:8::/64', 'fd01:203:405:7:a:b:c:d', '2001:db8:9::9'],
    ['10.1.0.0/16', '180.5.0.0/16', '10.1.2.3', '192.0.2.7']
  ] as const)
    test(`${inside} to ${outside}, errors too, and nothing is remembered`, () => {
      const bench = prefixes(inside, outside)
      const sent = packet(flow({ src, dst }))
      const out = passed(bench, 'out', sent)
      assert.notEqual(flowOf(out).src, src)
      assert.deepEqual([...passed(bench, 'in', answer(out))], [...answer(sent)])
      const error = passed(bench, 'in', errorAbout(out))
      assert.equal(flowOf(error).dst, src)
      assertSameQuote(error, sent)
      assertSound(error)
      assert.equal(bench.table.size, 0)
    })
})
