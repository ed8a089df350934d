// Translation without state: one address for another, or the prefix of an address for another
// prefix.  IPv6 prefixes are translated so that checksums stay what they are, whatever they cover
// (RFC 6296); so a packet that is encrypted behind its addresses survives.

import { address, ethernet, isErrorAbout, type SimulationContext } from '../../src/plugin.ts'
import type { NatRule } from './model.ts'
import { readAddress, requote, type Side, setAddress } from './rewrite.ts'

/** What became of a packet. */
export const Done = { applied: 1, skipped: 2, impossible: 3 } as const
export type Done = (typeof Done)[keyof typeof Done]

/** A translation that keeps no state: it goes by addresses alone. */
export interface Work {
  /** Translates a packet, or says why not. */
  act(ctx: SimulationContext): Done
  /** Of an ICMP error about a packet that the rule concerns; without it they are packets too. */
  readonly mend?: (ctx: SimulationContext) => Done
}

const before = new Int32Array(4)
const after = new Int32Array(4)
const opposite = { src: 'dst', dst: 'src' } as const

/**
 * To one address.  In an ICMP error it is the quoted packet that counts, which went the other way;
 * a router inside that speaks of it is known outside by the same address.  A rule that looks into
 * errors on purpose mends the quote, and nothing else.
 */
export function fixedWork(side: Side, rule: NatRule, { family, words }: address.Ip): Work {
  const type = family === 4 ? ethernet.Type.ipv4 : ethernet.Type.ipv6
  if (rule.icmpDataSource !== undefined || rule.icmpDataDestination !== undefined) {
    const inside = rule.icmpDataDestination !== undefined ? 'dst' : 'src'
    return { act: ctx => lookInside(ctx, type, inside, words) }
  }
  const quoted = opposite[side]
  return {
    act: ctx => {
      if (ctx.key.ethType !== type || isMended(ctx, side)) return Done.skipped
      setAddress(ctx, side, words)
      return Done.applied
    },
    mend: ctx => {
      if (ctx.key.ethType !== type) return Done.skipped
      const quote = ctx.quote()!
      if (side === 'src' || isMended(ctx, side)) setAddress(ctx, side, words)
      requote(ctx, quote, quoted, words)
      return Done.applied
    }
  }
}

function lookInside(ctx: SimulationContext, type: number, side: Side, words: Int32Array): Done {
  if (ctx.key.ethType !== type || !isErrorAbout(ctx)) return Done.skipped
  requote(ctx, ctx.quote()!, side, words)
  return Done.applied
}

// An error by an end of the connection that it is about: what concerns the one concerns the other.
function isMended(ctx: SimulationContext, side: Side): boolean {
  if (!isErrorAbout(ctx)) return false
  readAddress(ctx, side, before)
  return same(ctx.quote()![opposite[side]], before)
}

/** Translates one prefix into another (RFC 6296). */
export function prefixWork(side: Side, from: address.Prefix, to: address.Prefix): Work {
  const type = from.family === 4 ? ethernet.Type.ipv4 : ethernet.Type.ipv6
  const renumber = prefixTranslation(from, to)
  const own: address.Ip = { family: from.family, words: before }
  const translate = (ctx: SimulationContext): Done => {
    readAddress(ctx, side, before)
    if (!address.prefixContains(from, own)) return Done.skipped
    if (!renumber(before, after)) return Done.impossible
    setAddress(ctx, side, after)
    return Done.applied
  }
  return {
    act: ctx => {
      if (ctx.key.ethType !== type || isMended(ctx, side)) return Done.skipped
      return translate(ctx)
    },
    mend: ctx => {
      if (ctx.key.ethType !== type) return Done.skipped
      const quote = ctx.quote()!
      const quoted = opposite[side]
      if (!renumber(quote[quoted], after)) return Done.skipped
      requote(ctx, quote, quoted, after)
      const done = translate(ctx)
      if (done === Done.skipped && side === 'src') setAddress(ctx, side, quote[quoted])
      return done === Done.impossible ? done : Done.applied
    }
  }
}

function same(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < 4; i++) if (a[i] !== b[i]) return false
  return true
}

/** Gives false for an address outside, and for one that has no translation. */
export function prefixTranslation(
  from: address.Prefix,
  to: address.Prefix
): (words: Int32Array, into: Int32Array) => boolean {
  const { words: network, family } = address.networkOf(to)
  const host = Array.from({ length: 4 }, (_, i) => ~maskOf(to, i))
  const adjust = family === 4 ? undefined : adjustment(from, to)
  const found: { family: 4 | 6; words: Int32Array } = { family, words: before }
  return (words, into) => {
    found.words = words
    if (!address.prefixContains(from, found)) return false
    for (let i = 0; i < 4; i++) into[i] = network[i]! | (words[i]! & host[i]!)
    return adjust === undefined || adjust(into)
  }
}

const maskOf = ({ family, length }: address.Prefix, i: number): number => {
  if (family === 4) return i === 3 ? address.maskWord(length) : 0
  return length <= 32 * i ? 0 : address.maskWord(Math.min(32, length - 32 * i))
}

// RFC 6296 §3.4: a 16-bit word behind the prefix takes up the difference of the prefixes' sums.
// Up to /48 it is the subnet (§3.4); behind that the first word of the interface id that is not
// all ones (§3.5), which stands for itself.
function adjustment(from: address.Prefix, to: address.Prefix): (words: Int32Array) => boolean {
  const difference = add(sumOf(from), ~sumOf(to) & 0xffff)
  const { length } = from
  if (length <= 48) return words => adjustWord(words, 3, difference)
  const first = Math.max(4, Math.ceil(length / 16))
  return words => {
    for (let i = first; i < 8; i++)
      if (wordAt(words, i) !== 0xffff) return adjustWord(words, i, difference)
    return false
  }
}

function adjustWord(words: Int32Array, i: number, difference: number): boolean {
  const word = wordAt(words, i)
  if (word === 0xffff) return false // §3.4: would come back as 0
  const sum = add(word, difference)
  putWord(words, i, sum === 0xffff ? 0 : sum)
  return true
}

function sumOf(prefix: address.Prefix): number {
  const { words } = address.networkOf(prefix)
  let sum = 0
  for (let i = 0; i < 8; i++) sum = add(sum, wordAt(words, i))
  return sum
}

// One's complement.
function add(a: number, b: number): number {
  const sum = a + b
  return (sum & 0xffff) + (sum >>> 16)
}

const wordAt = (words: Int32Array, i: number): number =>
  (i & 1) === 0 ? words[i >> 1]! >>> 16 : words[i >> 1]! & 0xffff

function putWord(words: Int32Array, i: number, value: number): void {
  const word = words[i >> 1]!
  words[i >> 1] = (i & 1) === 0 ? (value << 16) | (word & 0xffff) : (word & ~0xffff) | value
}
