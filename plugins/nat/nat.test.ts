// NAT end to end through one router's chains (behaviours 4.5), and what becomes of translations
// (5).

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Verdict } from '../../src/simulation/verdict.ts'
import { RECORD_WORDS, RecordWord, StateFlag } from '../../src/state/record.ts'
import { Kind } from '../../test/state/kinds.ts'
import type { FilterBench } from '../../test/world/filter.ts'
import {
  answer,
  assertSameQuote,
  benchOf,
  build,
  errorAbout,
  type Flow,
  flowOf,
  mirrored,
  packet,
  passed,
  quotedFlow,
  type RuleText
} from './fixture.test.ts'

const INSIDE = '10.0.0.0/24'
const VIP = '180.0.1.100'
const inward: RuleText[] = [
  { action: 'reverse-snat' },
  {
    action: 'dnat',
    destination: `${VIP}/32`,
    source: INSIDE,
    invertSource: true,
    natTargets: [{ from: '10.0.0.1', to: '10.0.0.5', portFrom: 80, portTo: 80 }]
  }
]
const outward: RuleText[] = [
  { action: 'reverse-dnat' },
  {
    action: 'snat',
    source: INSIDE,
    destination: INSIDE,
    invertDestination: true,
    natTargets: [{ from: '180.0.1.200', to: '180.0.1.205', portFrom: 10_001, portTo: 65_535 }]
  }
]
const router = (): FilterBench => benchOf(inward, outward)

const flow = (fields: Partial<Flow> = {}): Flow => ({
  protocol: 'tcp',
  src: '10.0.0.1',
  sport: 40_000,
  dst: '192.0.2.7',
  dport: 443,
  ...fields
})
const toVip = (fields: Partial<Flow> = {}): Flow =>
  flow({ src: '192.0.2.7', sport: 5000, dst: VIP, dport: 8080, ...fields })

const records = (bench: FilterBench, kind: number): number => bench.table.count(kind)

describe('SNAT', () => {
  test('SN-03 a source in the range, the answer restored, the translation kept', () => {
    const bench = router()
    const out = flowOf(passed(bench, 'out', packet(flow(), { flags: 'syn' })))
    assert.match(out.src, /^180\.0\.1\.20[0-5]$/)
    assert.ok(out.sport >= 10_001)
    assert.deepEqual({ ...out, src: '', sport: 0 }, { ...flow(), src: '', sport: 0 })
    const back = passed(bench, 'in', packet(mirrored(out), { flags: 'ack' }))
    assert.deepEqual(flowOf(back), mirrored(flow()))
    assert.deepEqual(flowOf(passed(bench, 'out', packet(flow()))), out)
    assert.equal(records(bench, Kind.snat), 1)
    const other = flowOf(passed(bench, 'out', packet(flow({ sport: 40_001 }))))
    assert.notEqual(`${other.src} ${other.sport}`, `${out.src} ${out.sport}`)
  })

  test('SN-03 a source keeps its address, and its port where the block is ours', () => {
    const bench = router()
    const first = flowOf(passed(bench, 'out', packet(flow())))
    assert.equal(first.sport, 40_000)
    for (let i = 1; i < 20; i++) {
      const next = flowOf(passed(bench, 'out', packet(flow({ sport: 40_000 + i }))))
      assert.equal(next.src, first.src)
    }
  })

  test('SN-04 SN-05 NAT-05 pings of several machines with one id get their own answers', () => {
    const bench = benchOf(inward, [
      {
        action: 'snat',
        source: INSIDE,
        natTargets: [{ from: '180.0.1.200', portFrom: 1, portTo: 65_535 }]
      }
    ])
    const pings = [1, 2, 3].map(i =>
      flow({ protocol: 'ping', src: `10.0.0.${i}`, sport: 7, dport: 7 })
    )
    const outs = pings.map(ping => passed(bench, 'out', packet(ping)))
    assert.equal(new Set(outs.map(out => flowOf(out).sport)).size, 3)
    for (const [i, out] of outs.entries())
      assert.deepEqual(flowOf(passed(bench, 'in', answer(out))), mirrored(pings[i]!))
  })

  for (const protocol of ['tcp', 'udp', 'ping'] as const)
    test(`SN-06 SN-07 an ICMP error about ${protocol} finds the sender, the quote restored`, () => {
      const bench = router()
      const sent = flow({ protocol, ...(protocol === 'ping' ? { sport: 9, dport: 9 } : {}) })
      const out = passed(bench, 'out', packet(sent))
      for (const from of [sent.dst, '203.0.113.9']) {
        const error = passed(bench, 'in', errorAbout(out, from))
        assert.equal(flowOf(error).dst, sent.src)
        assert.equal(flowOf(error).src, from)
        assert.deepEqual(quotedFlow(error), sent)
        assertSameQuote(error, packet(sent))
      }
    })

  test('SN-06 an error by the machine inside about an answer goes out as its public self', () => {
    const bench = router()
    const out = passed(bench, 'out', packet(flow({ protocol: 'udp' })))
    const back = passed(bench, 'in', answer(out))
    const error = passed(bench, 'out', errorAbout(back))
    assert.equal(flowOf(error).src, flowOf(out).src)
    assert.deepEqual(quotedFlow(error), mirrored(flowOf(out)))
  })

  test('NT-01 an answer that no translation knows is left alone, and waits for one', () => {
    const bench = router()
    const stray = mirrored(flow({ src: '180.0.1.200', sport: 20_000 }))
    assert.deepEqual(flowOf(passed(bench, 'in', packet(stray))), stray)
    assert.ok(bench.ctx.outcome.tagCount > 1, 'a binding that comes makes the flow stale')
    assert.equal(records(bench, Kind.snat), 0)
  })

  test('NT-01 other protocols go by addresses; what cannot be told apart is dropped', () => {
    const bench = benchOf(inward, [
      { action: 'snat', natTargets: [{ from: '180.0.1.200', to: '180.0.1.201' }] }
    ])
    const gre = (i: number): Flow =>
      flow({ protocol: 'gre', src: `10.0.0.${i}`, sport: 0, dport: 0 })
    const outs = [1, 2].map(i => flowOf(passed(bench, 'out', packet(gre(i)))))
    assert.equal(new Set(outs.map(({ src }) => src)).size, 2)
    for (const [i, out] of outs.entries())
      assert.equal(flowOf(passed(bench, 'in', packet(mirrored(out)))).dst, `10.0.0.${i + 1}`)
    assert.equal(bench.run('out', packet(gre(3))), Verdict.drop)
    assert.equal(bench.ctx.outcome.dropReason, 'nat.exhausted')
  })

  test('a connection that is over begins anew with the same translation', () => {
    const bench = router()
    const out = flowOf(passed(bench, 'out', packet(flow(), { flags: 'syn' })))
    const record = new Int32Array(RECORD_WORDS)
    bench.table.read(1, record)
    bench.table.note(1 << 1, bench.table.stamp(1), 4, 0)
    assert.deepEqual(flowOf(passed(bench, 'out', packet(flow(), { flags: 'syn' }))), out)
    bench.table.read(1, record)
    assert.equal(record[RecordWord.generation], 1)
    assert.equal(record[RecordWord.flags]! & StateFlag.reset, 0)
    assert.equal(records(bench, Kind.snat), 1)
  })
})

describe('DNAT', () => {
  test('SN-02 one of the targets, the answer exactly restored, one translation', () => {
    const bench = router()
    const sent = packet(toVip(), { flags: 'syn' })
    const arrived = passed(bench, 'in', sent)
    assert.match(flowOf(arrived).dst, /^10\.0\.0\.[1-5]$/)
    assert.equal(flowOf(arrived).dport, 80)
    const back = passed(bench, 'out', answer(arrived))
    assert.deepEqual([...back], [...answer(sent)])
    assert.deepEqual(flowOf(passed(bench, 'in', packet(toVip()))), flowOf(arrived))
    assert.equal(records(bench, Kind.dnat), 1)
  })

  test('SN-02 targets are all used', () => {
    const bench = router()
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++)
      seen.add(flowOf(passed(bench, 'in', packet(toVip({ sport: 5000 + i })))).dst)
    assert.equal(seen.size, 5)
  })

  test('NAT-01 a ping keeps its id, and its answer has the public address', () => {
    const bench = router()
    const ping = packet(toVip({ protocol: 'ping', sport: 77, dport: 77 }))
    const arrived = passed(bench, 'in', ping)
    assert.equal(flowOf(arrived).sport, 77)
    assert.deepEqual([...passed(bench, 'out', answer(arrived))], [...answer(ping)])
  })

  for (const protocol of ['tcp', 'udp', 'ping'] as const)
    test(`SN-08 SN-09 NAT-02 an ICMP error about ${protocol} shows the public address`, () => {
      const bench = router()
      const ping = protocol === 'ping' ? { sport: 9, dport: 9 } : {}
      const sent = packet(toVip({ protocol, ...ping }))
      const arrived = passed(bench, 'in', sent)
      const error = passed(bench, 'out', errorAbout(arrived))
      assert.equal(flowOf(error).src, VIP)
      assertSameQuote(error, sent)
      const onTheWay = passed(bench, 'out', errorAbout(arrived, '172.16.0.1'))
      assert.equal(flowOf(onTheWay).src, VIP, 'RFC 5508 REQ-5')
      assertSameQuote(onTheWay, sent)
    })

  test('INV-05 two public addresses of one port do not share a client', () => {
    const rule = (destination: string): RuleText => ({
      action: 'dnat',
      destination,
      natTargets: [{ from: '10.0.0.1', portFrom: 80, portTo: 80 }]
    })
    const bench = benchOf([rule('180.0.1.100/32'), rule('180.0.1.101/32')], outward)
    passed(bench, 'in', packet(toVip()))
    assert.equal(bench.run('in', packet(toVip({ dst: '180.0.1.101' }))), Verdict.drop)
    assert.equal(bench.ctx.outcome.dropReason, 'nat.exhausted')
  })
})

describe('both', () => {
  test('SN-10 DNAT and SNAT of one packet are both undone', () => {
    const bench = benchOf(inward, [
      { action: 'reverse-dnat' },
      { action: 'snat', natTargets: [{ from: '10.0.0.254' }, { from: '10.0.0.253' }] }
    ])
    const sent = packet(toVip(), { flags: 'syn' })
    const arrived = passed(bench, 'out', passed(bench, 'in', sent))
    assert.match(flowOf(arrived).src, /^10\.0\.0\.25[34]$/)
    assert.match(flowOf(arrived).dst, /^10\.0\.0\.[1-5]$/)
    const back = passed(bench, 'out', passed(bench, 'in', answer(arrived)))
    assert.deepEqual([...back], [...answer(sent)])
    const error = passed(bench, 'out', passed(bench, 'in', errorAbout(arrived)))
    assertSameQuote(error, sent)
  })

  test('hairpin: a machine inside reaches its neighbour by the public address', () => {
    const bench = benchOf(
      [
        { action: 'reverse-snat' },
        {
          action: 'dnat',
          destination: `${VIP}/32`,
          natTargets: [{ from: '10.0.0.2', portFrom: 80, portTo: 80 }]
        }
      ],
      [
        { action: 'reverse-dnat' },
        {
          action: 'snat',
          source: INSIDE,
          natTargets: [{ from: '180.0.1.200' }, { from: '180.0.1.201' }]
        }
      ]
    )
    const sent = packet(toVip({ src: '10.0.0.1' }), { flags: 'syn' })
    const arrived = passed(bench, 'out', passed(bench, 'in', sent))
    assert.equal(flowOf(arrived).dst, '10.0.0.2')
    assert.match(flowOf(arrived).src, /^180\.0\.1\.20[01]$/)
    const back = passed(bench, 'out', passed(bench, 'in', answer(arrived)))
    assert.deepEqual([...back], [...answer(sent)])
  })
})

describe('fragments', () => {
  for (const [name, from, to] of [
    ['v4', '10.0.0.1', '192.0.2.7'],
    ['v6', 'fd00::1', '2001:db8:2::7']
  ] as const)
    test(`${name}: later fragments go as their first one, both ways`, () => {
      const isV6 = name === 'v6'
      const bench = benchOf(
        [{ action: 'reverse-snat' }],
        [
          {
            action: 'snat',
            destinationPorts: { start: 443, end: 443 },
            natTargets: [
              { from: isV6 ? '2001:db8:1::9' : '180.0.1.200', portFrom: 20_000, portTo: 20_063 }
            ]
          }
        ]
      )
      const udp = flow({ protocol: 'udp', src: from, dst: to })
      const sent = build(udp, { payload: 'x'.repeat(3000) })
      const outs = sent.fragments(1280, 99).map(frame => passed(bench, 'out', frame))
      assert.equal(outs.length, 3)
      for (const out of outs) assert.equal(flowOf(out).src, isV6 ? '2001:db8:1::9' : '180.0.1.200')
      assert.equal(flowOf(outs[0]!).sport >= 20_000, true)
      const reply = build(mirrored(flowOf(outs[0]!)), { payload: 'y'.repeat(3000) })
      for (const [i, frame] of reply.fragments(1280, 98).entries()) {
        const back = passed(bench, 'in', frame)
        assert.equal(flowOf(back).dst, from)
        if (i === 0) assert.equal(flowOf(back).dport, udp.sport)
      }
    })

  test('a later fragment whose first was never seen does not leave untranslated', () => {
    const bench = router()
    const [, later] = build(flow({ protocol: 'udp' }), { payload: 'x'.repeat(2000) }).fragments(
      1280,
      5
    )
    assert.equal(bench.run('out', later!), Verdict.drop)
    assert.equal(bench.ctx.outcome.dropReason, 'nat.lost-fragment')
  })
})

describe('NT-02 keys', () => {
  test('oversubscription: one port serves different destinations', () => {
    const bench = benchOf(inward, [
      { action: 'snat', natTargets: [{ from: '180.0.1.200', portFrom: 5000, portTo: 5000 }] }
    ])
    const outs = [
      flow(),
      flow({ dport: 80 }),
      flow({ dst: '192.0.2.8' }),
      flow({ protocol: 'udp' })
    ].map(each => flowOf(passed(bench, 'out', packet(each))))
    assert.deepEqual(new Set(outs.map(({ sport }) => sport)), new Set([5000]))
    assert.equal(bench.run('out', packet(flow({ src: '10.0.0.2' }))), Verdict.drop)
    assert.equal(bench.ctx.outcome.dropReason, 'nat.exhausted')
    assert.equal(bench.counters.value('nat.exhausted'), 1)
  })

  test('a collision takes the next port, the next address, then the next target', () => {
    const bench = benchOf(inward, [
      {
        action: 'snat',
        natTargets: [
          { from: '180.0.1.200', to: '180.0.1.201', portFrom: 5000, portTo: 5001 },
          { from: '180.0.1.210', portFrom: 6000, portTo: 6000 }
        ]
      }
    ])
    const ends = new Set<string>()
    for (let i = 1; i <= 5; i++) {
      const { src, sport } = flowOf(passed(bench, 'out', packet(flow({ src: `10.0.0.${i}` }))))
      ends.add(`${src}:${sport}`)
    }
    assert.equal(ends.size, 5)
    assert.equal(bench.run('out', packet(flow({ src: '10.0.0.6' }))), Verdict.drop)
  })

  test('SN-11 an ICMP id is asked for by a rule that translates, and by no other', () => {
    const bench = router()
    passed(bench, 'out', packet(flow({ protocol: 'ping', sport: 3, dport: 3 })))
    assert.equal(bench.ctx.key.mask[7]! & 0xffff, 0xffff)
    passed(bench, 'in', packet(flow({ protocol: 'udp', src: '10.0.0.9', dst: '10.0.0.8' })))
    assert.equal(records(bench, Kind.dnat), 0)
  })
})
