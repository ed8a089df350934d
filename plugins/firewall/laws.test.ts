// The laws that every condition keeps, whatever the rule and whatever the packet.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Fragment, WORDS, Word } from '../../src/flow/key.ts'
import { SimulationContext } from '../../src/simulation/context.ts'
import type { Port, Topology as Seen } from '../../src/simulation/device.ts'
import type { Models } from '../../src/topology/factory.ts'
import { casesOf } from '../../test/cases.ts'
import { Topology } from '../../test/world/objects.ts'
import { Condition } from './condition.ts'
import type { RuleModel } from './model.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'

const groups = new Topology()
  .add('port-group', 'pg', { name: 'pg', ports: ['in', 'x'] })
  .add('port-group', 'none', { name: 'none' })
  .add('ip-group', 'ig', { name: 'ig', addresses: ['10.1.2.3', '10.9.8.7', '2001:db8:1::3'] })
  .add('ip-group', 'empty', { name: 'empty' }).objects

const inverted = (field: string): string =>
  `invert${field.charAt(0).toUpperCase()}${field.slice(1)}`

const port = (id: string): Port => ({ id }) as Port
const models = {
  get: (kind: string, id: string) =>
    groups.find(each => each.kind === kind && each.value.id === id)?.value
} as unknown as Models
const nothing: Seen = { filterKind: '', port: () => null, device: () => null }
const context = new SimulationContext(nothing)

const fields = fc.record(
  {
    inPorts: fc.subarray(['in', 'p', 'q']),
    outPorts: fc.subarray(['out', 'p', 'q']),
    inPortGroup: fc.constantFrom('pg', 'none'),
    ethType: fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x9000),
    ethSrc: fc.constantFrom(A, B),
    ethDst: fc.constantFrom(A, B),
    tos: fc.constantFrom(0, 0x20),
    protocol: fc.constantFrom('tcp', 'udp', 'icmp', 'icmpv6', 1, 47),
    source: fc.constantFrom('10.0.0.0/8', '10.0.0.0/31', '0.0.0.0/0', '2001:db8::/33', '::/0'),
    destination: fc.constantFrom('10.0.0.1/32', '128.0.0.0/1', '2001:db8::1/128'),
    sourcePorts: fc.constantFrom({ start: 0, end: 7 }, { start: 8 }, { end: 40_000 }),
    destinationPorts: fc.constantFrom({ start: 80, end: 80 }, { start: 40_000 }),
    ipGroupSource: fc.constantFrom('ig', 'empty'),
    ipGroupDestination: fc.constantFrom('ig', 'empty')
  },
  { requiredKeys: [] }
)
type Fields = Record<string, unknown>

// Keys with few different values each, so that conditions hold often; not all of them could come
// from a frame, and the laws hold for those too.
const word = (...values: number[]): fc.Arbitrary<number> => fc.constantFrom(...values, 0)
const keys = fc
  .tuple(
    word(0x10050000, 0x1005_1006 | 0),
    word(0x02000000),
    word(0x000b0200, 0x000a0200),
    word(0x0a, 0x0b),
    word(0x08000000, 0x08060000, 0x86dd0000 | 0, 0x90000000 | 0),
    word(0x20010db8),
    word(0x0a000000, 0x0a000001, 0x0a010203, 0x80000001 | 0, 1),
    word(0x20010db8),
    word(0x0a000000, 0x0a000001, 0x0a090807, 0x80000001 | 0, 1),
    fc.tuple(word(1, 6, 17, 58, 47), word(0x20), word(1, 2)),
    word(0x00080050, 0x9c409c40 | 0, 0x03e80050)
  )
  .map(([vlans, hi, mid, lo, type, s0, s3, d0, d3, [proto, tos, fragment], ports]) => {
    const words = new Int32Array(WORDS)
    words.set([1, 0, 0, vlans, hi, mid, lo, type, s0, 0, 0, s3, d0, 0, 0, d3])
    words[Word.ipMisc] = (proto << 24) | (tos << 16) | fragment
    words[Word.l4Ports] = ports
    return words
  })

function matches(rule: Fields, words: Int32Array): boolean {
  const condition = new Condition({ id: 'r', ...rule } as unknown as RuleModel, models, false)
  context.key.load(words, 0)
  context.begin(0, null, 0, 0)
  context.inPort = port('in')
  context.outPort = port('out')
  return condition.matches(context)
}

describe('INV-13', () => {
  const runs = { numRuns: casesOf(2000), seed: 13 }
  const policy = fc.constantFrom('any', 'header', 'nonheader', 'unfragmented')

  test('an inverted field matches exactly where the field does not', () => {
    const one = fields.filter(rule => Object.keys(rule).length > 0)
    fc.assert(
      fc.property(one, keys, (rule, words) => {
        const [field, value] = Object.entries(rule)[0]!
        const straight = { fragmentPolicy: 'any', [field]: value }
        const turned = { ...straight, [inverted(field)]: true }
        assert.notEqual(matches(straight, words), matches(turned, words))
      }),
      runs
    )
  })

  test('the whole is the AND of its fields; unset fields and their inversions do not count', () => {
    fc.assert(
      fc.property(fields, keys, (rule, words) => {
        const each = Object.entries(rule).map(([field, value]) =>
          matches({ fragmentPolicy: 'any', [field]: value }, words)
        )
        const idle = { invertTraversedDevice: true, invertPortGroup: true }
        const whole = { fragmentPolicy: 'any', ...rule, ...idle }
        assert.equal(matches(whole, words), each.every(Boolean))
      }),
      runs
    )
  })

  test('condInvert negates the conjunction, the fragment policy restricts all the same', () => {
    fc.assert(
      fc.property(fields, policy, keys, (rule, fragmentPolicy, words) => {
        const fragment = words[Word.ipMisc]! & 255
        const allowed = {
          any: true,
          header: fragment !== Fragment.later,
          nonheader: fragment === Fragment.later,
          unfragmented: fragment === Fragment.none
        }[fragmentPolicy]!
        const straight = matches({ ...rule, fragmentPolicy }, words)
        const turned = matches({ ...rule, fragmentPolicy, condInvert: true }, words)
        assert.equal(straight || turned, allowed)
        assert.equal(straight && turned, false)
      }),
      runs
    )
  })

  test('the mask holds all that was asked: packets alike under it meet alike', () => {
    fc.assert(
      fc.property(fields, fc.boolean(), keys, keys, (rule, condInvert, one, two) => {
        const first = matches({ ...rule, condInvert }, one)
        const { mask } = context.key
        const alike = two.map((w, i) => (one[i]! & mask[i]!) | (w & ~mask[i]!))
        assert.equal(matches({ ...rule, condInvert }, alike), first)
      }),
      runs
    )
  })
})
