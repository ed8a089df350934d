// Reply undoes request (INV-04): whatever the rules are and whatever the packet, what answers the
// translated packet comes back as the mirror of the original, errors and fragments too.  And no two
// translations share an answer (INV-05).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KEY_WORDS, RECORD_WORDS, RecordWord } from '../../src/state/record.ts'
import { casesOf } from '../../test/cases.ts'
import type { FilterBench } from '../../test/world/filter.ts'
import {
  answer,
  assertSameQuote,
  assertSound,
  benchOf,
  build,
  errorAbout,
  type Flow,
  flowOf,
  mirrored,
  packet,
  type RuleText
} from './fixture.test.ts'

const addresses = {
  4: { inside: '10.0.0.', outside: '192.0.2.', public: '180.0.1.', net: '10.0.0.0/24' },
  6: { inside: 'fd00::', outside: '2001:db8:9::', public: '2001:db8:1::', net: 'fd00::/64' }
} as const

interface Plan {
  readonly family: 4 | 6
  readonly snat: number
  readonly dnat: number
  readonly ports: number
  readonly flows: readonly { protocol: number; from: number; to: number; port: number }[]
}

const plans: fc.Arbitrary<Plan> = fc.record({
  family: fc.constantFrom(4 as const, 6 as const),
  snat: fc.nat({ max: 3 }),
  dnat: fc.nat({ max: 3 }),
  ports: fc.nat({ max: 3 }),
  flows: fc.array(
    fc.record({
      protocol: fc.nat({ max: 3 }),
      from: fc.integer({ min: 1, max: 4 }),
      to: fc.integer({ min: 1, max: 2 }),
      port: fc.nat({ max: 2 })
    }),
    { minLength: 1, maxLength: 12 }
  )
})

const PORTS = [
  { portFrom: 2000, portTo: 2063 },
  { portFrom: 5000, portTo: 5003 },
  { portFrom: 1, portTo: 65_535 },
  { portFrom: 60_000, portTo: 60_000 }
]

function bench({ family, snat, dnat, ports }: Plan): FilterBench {
  const { inside, public: open, net } = addresses[family]
  const vip = `${open}100/${family === 4 ? 32 : 128}`
  const range = PORTS[ports]!
  const snats: RuleText[][] = [
    [],
    [{ action: 'snat', source: net, natTargets: [{ from: `${open}20`, ...range }] }],
    [
      {
        action: 'snat',
        natTargets: [{ from: `${open}20`, to: `${open}23`, ...range }, { from: `${open}30` }]
      }
    ],
    [
      {
        action: 'snat',
        source: net,
        natPrefix: family === 4 ? '180.0.2.0/24' : '2001:db8:2:1::/64'
      }
    ]
  ]
  const dnats: RuleText[][] = [
    [],
    [{ action: 'dnat', destination: vip, natTargets: [{ from: `${inside}9` }] }],
    [{ action: 'dnat', destination: vip, natTargets: [{ from: `${inside}5`, to: `${inside}8` }] }],
    [
      {
        action: 'dnat',
        destination: vip,
        natTargets: [{ from: `${inside}5`, portFrom: 80, portTo: 90 }]
      }
    ]
  ]
  const back: RuleText[] =
    snat === 3
      ? [{ action: 'dnat', destination: snats[3]![0]!.natPrefix, natPrefix: net }]
      : [{ action: 'reverse-snat' }]
  const forth: RuleText[] =
    dnat === 1
      ? [
          {
            action: 'snat',
            source: `${inside}9/${family === 4 ? 32 : 128}`,
            natTargets: [{ from: `${open}100` }]
          }
        ]
      : [{ action: 'reverse-dnat' }]
  const cont = (rules: RuleText[]): RuleText[] =>
    rules.map(rule => ({
      natThen: rule.action.startsWith('reverse') ? 'continue' : 'accept',
      ...rule
    }))
  return benchOf(cont([...back, ...dnats[dnat]!]), cont([...forth, ...snats[snat]!]))
}

const PROTOCOLS = ['tcp', 'udp', 'ping', 'gre'] as const

function flowsOf({ family, flows }: Plan): Flow[] {
  const { inside, outside, public: open } = addresses[family]
  return flows.map(({ protocol: n, from, to, port }) => {
    const protocol = PROTOCOLS[n]!
    const isInbound = port === 2
    const src = isInbound ? `${outside}${from}` : `${inside}${from}`
    const dst = isInbound ? `${open}100` : `${outside}${to}`
    const sport = protocol === 'gre' ? 0 : 4000 + port
    const dport = protocol === 'ping' ? sport : protocol === 'gre' ? 0 : 80 + to
    return { protocol, src, dst, sport, dport }
  })
}

// In and out again, as a router's two filters: undefined when a rule dropped it, by its name.
function through(of: FilterBench, frame: Uint8Array): Uint8Array | undefined {
  const inward = of.pass('in', frame)
  const outward = inward === undefined ? undefined : of.pass('out', inward)
  if (outward === undefined) assert.equal(of.ctx.outcome.dropReason, 'nat.exhausted')
  else assertSound(outward)
  return outward
}

test('INV-04 reply undoes request, and the quote of an error too', () => {
  fc.assert(
    fc.property(plans, plan => {
      const of = bench(plan)
      for (const flow of flowsOf(plan)) {
        const sent = packet(flow)
        const arrived = through(of, sent)
        if (arrived === undefined) continue
        const back = through(of, answer(arrived))
        assert.deepEqual([...back!], [...answer(sent)])
        if (flow.protocol === 'gre') continue
        const error = through(of, errorAbout(arrived))!
        assertSameQuote(error, sent)
        assert.equal(flowOf(error).dst, flow.src)
        assert.equal(flowOf(error).src, flow.dst)
        const again = through(of, sent)
        assert.deepEqual([...again!], [...arrived])
      }
      assertUnique(of)
    }),
    { numRuns: casesOf(300), seed: 4 }
  )
})

test('INV-04 fragments, first and later, of requests and of answers', () => {
  fc.assert(
    fc.property(plans, plan => {
      const of = bench(plan)
      for (const [i, flow] of flowsOf(plan).entries()) {
        if (flow.protocol !== 'udp') continue
        const payload = 'x'.repeat(2000)
        const sent = build(flow, { payload }).fragments(1280, 10 + i)
        const arrived = sent.map(frame => through(of, frame))
        if (arrived[0] === undefined) continue
        const reply = build(mirrored(flowOf(arrived[0])), { payload }).fragments(1280, 500 + i)
        const expected = build(mirrored(flow), { payload }).fragments(1280, 500 + i)
        assert.deepEqual(
          reply.map(frame => [...through(of, frame)!]),
          expected.map(frame => [...frame])
        )
      }
    }),
    { numRuns: casesOf(150), seed: 5 }
  )
})

function assertUnique({ table }: FilterBench): void {
  const into = new Int32Array(64 * RECORD_WORDS)
  const count = table.scan(0, into, new Float64Array(64))
  assert.equal(count, table.size)
  const answers = new Set<string>()
  for (let i = 0; i < count; i++) {
    const at = i * RECORD_WORDS + RecordWord.b
    answers.add(into.slice(at, at + KEY_WORDS).join())
  }
  assert.equal(answers.size, count)
}
