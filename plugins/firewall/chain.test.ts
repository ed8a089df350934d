// Chains: what becomes of a packet by the order of rules, jumps, returns and loops.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { deviceTag } from '../../src/flow/tag.ts'
import { Verdict } from '../../src/simulation/verdict.ts'
import { eth } from '../../src/wire/builder.ts'
import { casesOf } from '../../test/cases.ts'
import { FilterBench } from '../../test/world/filter.ts'
import { Topology } from '../../test/world/objects.ts'
import { JUMPS_MAX } from './chain.ts'
import firewall from './index.ts'

const frame = eth('02:00:00:00:00:0a', '02:00:00:00:00:0b')
  .ipv4('10.0.0.1', '10.0.0.2')
  .udp(1000, 2000)
  .frame()

const MATCH = { protocol: 'udp' }
const MISS = { protocol: 'tcp' }

// [action, jump target or conditions]; chains by name, the first is run.
type RuleText = readonly [action: string, to?: string | typeof MATCH]

function benchOf(chains: Record<string, readonly RuleText[]>): FilterBench {
  const topology = new Topology()
  for (const [name, rules] of Object.entries(chains)) {
    topology.add('chain', name, { name })
    for (const [i, [action, to]] of rules.entries())
      topology.rule(name, i + 1, action, typeof to === 'string' ? { jumpChain: to } : (to ?? {}))
  }
  return new FilterBench(firewall, topology.objects)
}

const verdictOf = (chains: Record<string, readonly RuleText[]>): Verdict =>
  benchOf(chains).run(Object.keys(chains)[0]!, frame)

const { forward: ACCEPT, drop: DROP, reject: REJECT } = Verdict

describe('4.4 chains', () => {
  const cases: [string, Record<string, readonly RuleText[]>, Verdict][] = [
    ['an empty chain accepts', { a: [] }, ACCEPT],
    ['accept', { a: [['accept']] }, ACCEPT],
    ['drop', { a: [['drop']] }, DROP],
    ['reject', { a: [['reject']] }, REJECT],
    ['a rule that does not match goes on to accept', { a: [['drop', MISS], ['accept']] }, ACCEPT],
    [
      '… to reject',
      {
        a: [
          ['accept', MISS],
          ['reject', MATCH]
        ]
      },
      REJECT
    ],
    ['… to the end', { a: [['drop', MISS]] }, ACCEPT],
    ['accept beats a later reject', { a: [['accept'], ['reject']] }, ACCEPT],
    ['reject beats a later accept', { a: [['reject'], ['accept']] }, REJECT],
    ['return at the top accepts', { a: [['return'], ['drop']] }, ACCEPT],
    ['jump to accept', { a: [['jump', 'b'], ['drop']], b: [['accept']] }, ACCEPT],
    ['jump to reject', { a: [['jump', 'b'], ['accept']], b: [['reject']] }, REJECT],
    ['jump to drop', { a: [['jump', 'b'], ['accept']], b: [['drop']] }, DROP],
    ['a double jump', { a: [['jump', 'b'], ['accept']], b: [['jump', 'c']], c: [['drop']] }, DROP],
    ['falling off a jumped chain goes on', { a: [['jump', 'b'], ['drop']], b: [] }, DROP],
    [
      'falling off two goes on',
      { a: [['jump', 'b'], ['drop']], b: [['jump', 'c']], c: [['drop', MISS]] },
      DROP
    ],
    [
      'return resumes the caller, and no more than it',
      { a: [['jump', 'b'], ['drop']], b: [['jump', 'c'], ['accept']], c: [['return'], ['drop']] },
      ACCEPT
    ],
    [
      'a loop is skipped, what follows is not',
      {
        a: [['jump', 'b'], ['drop']],
        b: [
          ['jump', 'a'],
          ['accept', MISS]
        ]
      },
      DROP
    ],
    ['a jump to itself is skipped', { a: [['jump', 'a'], ['reject']] }, REJECT],
    [
      'a chain is entered once: a second jump to it is skipped',
      { a: [['jump', 'b'], ['jump', 'b'], ['reject']], b: [['return'], ['drop']] },
      REJECT
    ],
    ['a jump to a chain that is not there is skipped', { a: [['jump', 'x'], ['drop']] }, DROP]
  ]
  for (const [name, chains, expected] of cases)
    test(name, () => assert.equal(verdictOf(chains), expected))

  test('no chain accepts', () => {
    assert.equal(benchOf({}).ctx.filter(null), ACCEPT)
  })

  test('the order is that of positions, then of ids', () => {
    const topology = new Topology()
      .add('chain', 'a', { name: 'a' })
      .add('rule', 'z', { chain: 'a', position: 2, action: 'drop' })
      .add('rule', 'y', { chain: 'a', position: 10, action: 'reject' })
      .add('rule', 'x', { chain: 'a', position: 2, action: 'accept' })
    assert.equal(new FilterBench(firewall, topology.objects).run('a', frame), ACCEPT)
  })

  test('drops and rejects have a name, and a reject is short', () => {
    const dropping = benchOf({ a: [['drop']] })
    dropping.run('a', frame)
    assert.equal(dropping.ctx.outcome.dropReason, 'firewall.rule')
    const rejecting = benchOf({ a: [['reject']] })
    rejecting.run('a', frame)
    assert.equal(rejecting.ctx.outcome.dropReason, 'firewall.reject')
    assert.equal(rejecting.ctx.outcome.cachePolicy, 1)
  })

  test('jumps deeper than the limit drop, and say so', () => {
    const chains: Record<string, RuleText[]> = {}
    for (let i = 0; i <= JUMPS_MAX; i++) chains[`c${i}`] = [['jump', `c${i + 1}`]]
    chains[`c${JUMPS_MAX + 1}`] = [['accept']]
    const bench = benchOf(chains)
    assert.equal(bench.run('c1', frame), ACCEPT)
    assert.equal(bench.run('c0', frame), DROP)
    assert.equal(bench.ctx.outcome.dropReason, 'firewall.too-many-jumps')
  })

  test('the trace says which rule decided', () => {
    const bench = benchOf({
      a: [
        ['drop', MISS],
        ['jump', 'b']
      ],
      b: [['accept', MATCH]]
    })
    bench.run('a', frame)
    assert.deepEqual(bench.trace.lines, [
      '     chain a rule 2: jump',
      '     chain b rule 1: accept'
    ])
  })

  test('every chain entered leaves its tag, also one that is not there', () => {
    const bench = benchOf({
      a: [
        ['jump', 'b'],
        ['jump', 'x']
      ],
      b: [['return']],
      c: []
    })
    bench.run('a', frame)
    const tags = bench.ctx.outcome.tags.slice(0, bench.ctx.outcome.tagCount)
    assert.deepEqual(tags, ['a', 'b', 'x'].map(deviceTag))
  })

  test('only what was asked is in the mask', () => {
    const bench = benchOf({ a: [['drop', MISS], ['accept']] })
    bench.run('a', frame)
    const asked = bench.ctx.key.mask.reduce((bits, word) => bits + popcount(word), 0)
    assert.equal(asked, 16 + 8 + 8) // ethertype, whether it could be read, protocol
  })
})

describe('4.4 invalidation', () => {
  test('a rule added, edited or deleted makes its chain stale, and nothing else', () => {
    const bench = benchOf({ a: [['jump', 'b']], b: [] })
    assert.equal(bench.run('a', frame), ACCEPT)
    const rule = { id: 'new', chain: 'b', position: 1, action: 'drop' }
    for (const [change, verdict] of [
      [() => bench.store.put('rule', rule), DROP],
      [() => bench.store.put('rule', { ...rule, ...MISS }), ACCEPT],
      [() => bench.store.put('rule', rule), DROP],
      [() => bench.store.delete('rule', 'new'), ACCEPT]
    ] as const) {
      bench.stale.length = 0
      change()
      assert.deepEqual(bench.stale, [deviceTag('b')])
      assert.equal(bench.run('a', frame), verdict)
    }
  })

  test('a group that changes makes the chains stale whose rules name it', () => {
    const topology = new Topology()
      .add('ip-group', 'g', { name: 'g', addresses: [] })
      .add('chain', 'a', { name: 'a' })
      .rule('a', 1, 'drop', { ipGroupSource: 'g' })
      .add('chain', 'other', { name: 'other' })
    const bench = new FilterBench(firewall, topology.objects)
    assert.equal(bench.run('other', frame), ACCEPT)
    assert.equal(bench.run('a', frame), ACCEPT)
    bench.store.put('ip-group', { id: 'g', name: 'g', addresses: ['10.0.0.1'] })
    assert.deepEqual(bench.stale, [deviceTag('a')])
    assert.equal(bench.run('a', frame), DROP)
  })

  test('what changes no decision makes nothing stale', () => {
    const bench = benchOf({ a: [['drop']] })
    bench.run('a', frame)
    bench.store.put('chain', { id: 'a', name: 'renamed' })
    assert.deepEqual(bench.stale, [])
  })
})

test('INV-12: any jump graph ends, and always in the same way', () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const rule = fc.oneof(
    fc.constantFrom<RuleText>(['accept'], ['drop'], ['reject'], ['return'], ['drop', MISS]),
    fc.constantFrom(...names).map((to): RuleText => ['jump', to]),
    fc.constantFrom(...names).map((to): RuleText => ['jump', to])
  )
  const graph = fc.tuple(...names.map(() => fc.array(rule, { maxLength: 5 })))
  fc.assert(
    fc.property(graph, rules => {
      const chains = Object.fromEntries(names.map((name, i) => [name, rules[i]!]))
      const bench = benchOf(chains)
      const first = bench.run('a', frame)
      const [outcome] = expected(chains, 'a', new Set())
      assert.equal(first, outcome ?? ACCEPT)
      assert.equal(bench.run('a', frame), first)
    }),
    { numRuns: casesOf(300), seed: 12 }
  )
})

const VERDICTS: Record<string, Verdict> = { accept: ACCEPT, drop: DROP, reject: REJECT }

// What the words of the specification say, in the plainest way.
function expected(
  chains: Record<string, readonly RuleText[]>,
  name: string,
  entered: Set<string>
): [Verdict | undefined] {
  entered.add(name)
  for (const [action, to] of chains[name]!) {
    if (to === MISS) continue
    if (action === 'return') return [undefined]
    if (action !== 'jump') return [VERDICTS[action]]
    if (entered.has(to as string)) continue
    const [outcome] = expected(chains, to as string, entered)
    if (outcome !== undefined) return [outcome]
  }
  return [undefined]
}

function popcount(word: number): number {
  let bits = 0
  for (let w = word >>> 0; w !== 0; w >>>= 1) bits += w & 1
  return bits
}
