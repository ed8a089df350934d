// What a rule that translates addresses may say.  How it does is the nat plugin's business.

import { address } from '../../src/plugin.ts'
import type { RuleModel } from './model.ts'

/** Actions that translate a connection when it opens. */
export const FORWARD: ReadonlySet<string> = new Set(['snat', 'dnat', 'masquerade'])
/** Actions that translate what comes back. */
export const REVERSE: ReadonlySet<string> = new Set(['reverse-snat', 'reverse-dnat'])

/** Translators look into packets as a whole: they give later fragments the ports of the first. */
export const translates = (action: unknown): boolean =>
  FORWARD.has(action as string) || REVERSE.has(action as string)

type Need = (ok: boolean, field: string, expected: string) => void
type Target = NonNullable<RuleModel['natTargets']>[number]

/** What is wrong with a rule's translation. */
export function natFaults(rule: RuleModel, need: Need): void {
  const { action, natTargets, natPrefix } = rule
  need(rule.natThen === undefined || translates(action), 'natThen', 'none: the rule translates not')
  const takes = action === 'snat' || action === 'dnat'
  if (!takes) {
    need(natTargets === undefined, 'natTargets', 'none: only snat and dnat have targets')
    need(natPrefix === undefined, 'natPrefix', 'none: only snat and dnat have one')
    return
  }
  if (natPrefix === undefined) need(natTargets !== undefined, 'natTargets', 'a list of targets')
  else prefixFaults(rule, natPrefix, need)
  for (const target of natTargets ?? []) targetFaults(target, need)
  const families = new Set(natTargets?.map(({ from }) => familyOf(from)))
  need(families.size < 2, 'natTargets', 'addresses of one family')
}

function prefixFaults(rule: RuleModel, natPrefix: string, need: Need): void {
  need(rule.natTargets === undefined, 'natTargets', 'none beside natPrefix')
  const side = rule.action === 'snat' ? 'source' : 'destination'
  const from = rule[side]
  const to = address.parsePrefix(natPrefix)
  need(address.isNode(to), 'natPrefix', 'a network of addresses of nodes')
  need(from !== undefined, side, `a network: it is translated to ${natPrefix}`)
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
export function spanOf(first: Int32Array, last: Int32Array): number {
  for (let i = 0; i < 3; i++) if (first[i] !== last[i]) return -1
  const span = (last[3]! >>> 0) - (first[3]! >>> 0)
  return span < 65_536 ? span : -1
}

const familyOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4)
