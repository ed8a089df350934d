// Policies as prefix lists and route maps of FRR. Their names are made of what they say: a policy
// that changes is another one, and whoever uses it goes over in one step.

import { createHash } from 'node:crypto'
import type { Policy, PolicyEntry } from '../engine.ts'
import type { Line } from './lines.ts'

/** Of addresses. */
export type Family = 4 | 6

/** What stands for a policy. */
export interface PolicyLines {
  /** The route map's. */
  readonly name: string
  readonly lines: readonly Line[]
}

const WORD = { 4: 'ip', 6: 'ipv6' } as const
/** Every prefix of a family, as a rule of a prefix list says it. */
export const ANY = { 4: '0.0.0.0/0 le 32', 6: '::/0 le 128' } as const
const LENGTH_MAX = { 4: 32, 6: 128 } as const

/** An address or a prefix of it. */
export const familyOf = (text: string): Family => (text.includes(':') ? 6 : 4)

/** `asn`: ours. null: there is nothing to say, all pass as they are. */
export function policyLines(
  policy: Policy,
  family: Family,
  direction: 'in' | 'out',
  asn: number
): PolicyLines | null {
  // A link-local next hop means nothing outside of its link.
  const global = direction === 'in' && family === 6 ? ['set ipv6 next-hop prefer-global'] : []
  const sets = [...settings(policy, asn), ...global]
  if (policy.prefixes.length === 0 && sets.length === 0) return null
  const list = policy.prefixes.length === 0 ? null : prefixList(policy.prefixes, family)
  const match = list === null ? [] : [`match ${WORD[family]} address prefix-list ${list.name}`]
  const body = [...match, ...sets]
  const name = `mezzo-${hash([`${family}`, ...body])}`
  const header = `route-map ${name} permit 10`
  const opens = { block: [], key: header, text: header, undo: `no ${header}` }
  const inside = body.map(text => ({
    block: [header],
    key: `${header} ${text}`,
    text,
    undo: `no ${text}`,
    of: header
  }))
  return { name, lines: [...(list?.lines ?? []), opens, ...inside] }
}

function settings(policy: Policy, asn: number): string[] {
  const { communities = [], localPreference, med, prepend = 0 } = policy
  return [
    ...(communities.length === 0 ? [] : [`set community ${communities.join(' ')} additive`]),
    ...(localPreference === undefined ? [] : [`set local-preference ${localPreference}`]),
    ...(med === undefined ? [] : [`set metric ${med}`]),
    ...(prepend === 0 ? [] : [`set as-path prepend${` ${asn}`.repeat(prepend)}`])
  ]
}

function prefixList(entries: readonly PolicyEntry[], family: Family): PolicyLines {
  const own = entries.filter(({ prefix }) => familyOf(prefix) === family)
  const said = own.map(entry => `${entry.action} ${rangeOf(entry, family)}`)
  const rules = [...new Set(said)] // said twice, the first time decides
  // A list without entries would not be there, and what it covers neither.
  if (rules.length === 0) rules.push(`deny ${ANY[family]}`)
  const name = `mezzo-${hash([`${family}`, ...rules])}`
  const lines = rules.map((rule, i) => listLine(name, family, 5 * (i + 1), rule))
  return { name, lines }
}

/** A line of a prefix list. */
export function listLine(name: string, family: Family, seq: number, rule: string): Line {
  const text = `${WORD[family]} prefix-list ${name} seq ${seq} ${rule}`
  return { block: [], key: `${name} ${rule}`, text, undo: `no ${text}` }
}

// FRR wants length < ge <= le.
function rangeOf({ prefix, ge, le }: PolicyEntry, family: Family): string {
  const length = Number(prefix.split('/')[1])
  const from = ge === undefined || ge <= length ? '' : ` ge ${ge}`
  const until = le ?? (ge === undefined ? length : LENGTH_MAX[family])
  return `${prefix}${from}${until > length ? ` le ${until}` : ''}`
}

const hash = (words: readonly string[]): string =>
  createHash('sha256').update(words.join('\n')).digest('hex').slice(0, 16)
