// What rules that translate addresses say besides what all rules do.

import Type, { type Static } from 'typebox'
import { address, type Fault, type RuleActionPart, type Stored } from '../../src/resource.ts'
import type { RuleModel } from '../firewall/token.ts'

const Port = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: 0xffff, description }))

const NatTarget = Type.Object(
  {
    from: Type.String({ format: 'ip', description: 'the only or the first address' }),
    to: Type.Optional(Type.String({ format: 'ip', description: 'the last one' })),
    portFrom: Port('first port, or ICMP id'),
    portTo: Port('last port, or ICMP id')
  },
  { additionalProperties: false }
)

const natThen = Type.Optional(
  Type.Union([Type.Literal('accept'), Type.Literal('continue'), Type.Literal('return')])
)

const natTargets = Type.Optional(
  Type.Array(NatTarget, {
    minItems: 1,
    maxItems: 64,
    description:
      'of snat and dnat; one address without ports for one of the condition: without state'
  })
)

const natPrefix = Type.Optional(
  Type.String({
    format: 'cidr',
    description: 'of snat and dnat: the network of the condition is translated to this one'
  })
)

const ofTargets = { natTargets, natPrefix, natThen }

/** A rule whose action is one of these. */
export type NatRule = RuleModel & {
  readonly natTargets?: Static<typeof natTargets>
  readonly natPrefix?: string
  readonly natThen?: Static<typeof natThen>
}

/** What translates addresses, as a rule says it. */
export const natActions: readonly RuleActionPart[] = [
  { name: 'snat', fields: ofTargets, validate: targetListFaults, isWhole: true },
  { name: 'dnat', fields: ofTargets, validate: targetListFaults, isWhole: true },
  { name: 'masquerade', fields: { natThen }, isWhole: true },
  { name: 'reverse-snat', fields: { natThen }, isWhole: true },
  { name: 'reverse-dnat', fields: { natThen }, isWhole: true }
]

type Need = (ok: boolean, field: string, expected: string) => void
type Target = Static<typeof NatTarget>

function targetListFaults(rule: Stored): Fault[] {
  const faults: Fault[] = []
  const need: Need = (ok, field, expected) => {
    if (!ok) faults.push({ field, value: rule[field], expected })
  }
  const { natTargets: targets, natPrefix: prefix } = rule as NatRule
  if (prefix === undefined) need(targets !== undefined, 'natTargets', 'a list of targets')
  else prefixFaults(rule as NatRule, prefix, need)
  for (const target of targets ?? []) targetFaults(target, need)
  const families = new Set(targets?.map(({ from }) => familyOf(from)))
  need(families.size < 2, 'natTargets', 'addresses of one family')
  return faults
}

function prefixFaults(rule: NatRule, prefix: string, need: Need): void {
  need(rule.natTargets === undefined, 'natTargets', 'none beside natPrefix')
  const side = rule.action === 'snat' ? 'source' : 'destination'
  const from = rule[side]
  const to = address.parsePrefix(prefix)
  need(address.isNode(to), 'natPrefix', 'a network of addresses of nodes')
  need(from !== undefined, side, `a network: it is translated to ${prefix}`)
  const isInverted = side === 'source' ? rule.invertSource : rule.invertDestination
  need(isInverted !== true, side, 'not inverted beside natPrefix')
  if (from === undefined) return
  const { family, length } = address.parsePrefix(from)
  need(family === to.family && length === to.length, 'natPrefix', `a network as large as ${from}`)
  // RFC 6296 §3.2 and §3.3: below 112 bits there is a word left that keeps checksums as they are.
  need(family === 4 || length <= 112, 'natPrefix', 'at most 112 bits')
}

function targetFaults({ from, to = from, portFrom, portTo }: Target, need: Need): void {
  const first = address.parseIp(from)
  const last = address.parseIp(to)
  need(first.family === last.family, 'natTargets', `one family from ${from} to ${to}`)
  need(spanOf(first.words, last.words) >= 0, 'natTargets', `${from} to an address not before it`)
  need(address.isNode(first) && address.isNode(last), 'natTargets', 'addresses of nodes')
  const both = (portFrom === undefined) === (portTo === undefined)
  need(both, 'natTargets', 'portFrom and portTo, or neither')
  need((portFrom ?? 0) <= (portTo ?? 0xffff), 'natTargets', 'portFrom not above portTo')
}

/** How many addresses come after the first; -1: too many to be meant, or the order is wrong. */
function spanOf(first: Int32Array, last: Int32Array): number {
  for (let i = 0; i < 3; i++) if (first[i] !== last[i]) return -1
  const span = (last[3]! >>> 0) - (first[3]! >>> 0)
  return span < 65_536 ? span : -1
}

const familyOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4)
