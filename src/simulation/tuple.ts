// What identifies the connection of a packet: addresses, protocol and ports, or those of the packet
// that an ICMP error quotes, turned round.  Filled in as a key of the state table
// (state/record.ts),
// of the packet as it arrived or as devices have left it so far.

import { Fragment, Word } from '../flow/key.ts'
import { KeyWord } from '../state/record.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import { isQuery, opposite, queryPorts } from '../wire/query.ts'
import type { Quoted } from '../wire/quoted.ts'
import * as vlan from '../wire/vlan.ts'
import type { SimulationContext } from './context.ts'
import type { Whole } from './fragments.ts'

/** What a packet is to connections. */
export const Tuple = {
  none: 0, // no IP, or a fragment, or an error, of which nobody knows the ports
  packet: 1, // of a connection
  error: 2 // an ICMP error about a packet: the key is that of the answers to it
} as const

const ALL = -1
const HIGH = 0xffff0000 | 0
const LOW = 0xffff
const FRAGMENT = 0xff
const { Protocol } = ipv4

/** Where a key of flow state holds. */
export interface Scope {
  /** Kind of the record. */
  readonly kind: number
  /** The device's id in two words. */
  readonly words: readonly [number, number]
}

/** Fills KEY_WORDS words from `into[0]` on.  Gives Tuple. */
export function tupleOf(ctx: SimulationContext, scope: Scope, arrived: boolean, into: Int32Array) {
  const ask = (word: number, bits: number): number =>
    arrived ? ctx.askArrived(word, bits) : ctx.key.ask(word, bits)
  const type = ask(Word.typeId, HIGH) >>> 16
  const family = type === ethernet.Type.ipv4 ? 4 : type === ethernet.Type.ipv6 ? 6 : 0
  if (family === 0) return Tuple.none
  const protocol = ask(Word.ipMisc, 0xff000000 | 0) >>> 24
  const fragment = ask(Word.ipMisc, FRAGMENT) & FRAGMENT
  into[KeyWord.scope] = scope.words[0]
  into[KeyWord.scope + 1] = scope.words[1]
  if (fragment !== Fragment.later && isError(family, protocol, ask))
    return errorTuple(ctx, scope, arrived, into)
  into[KeyWord.type] = (scope.kind << 16) | (family << 8) | protocol
  for (let i = 0; i < 4; i++) {
    const asked = family === 6 || i === 3
    into[KeyWord.src + i] = asked ? ask(Word.ipSrc + i, ALL) : 0
    into[KeyWord.dst + i] = asked ? ask(Word.ipDst + i, ALL) : 0
  }
  if (fragment === Fragment.none) {
    into[KeyWord.ports] = portsOf(family, protocol, ask)
    return Tuple.packet
  }
  return fragmentTuple(ctx, family, fragment, protocol, ask, into)
}

type Ask = (word: number, bits: number) => number

function portsOf(family: 4 | 6, protocol: number, ask: Ask): number {
  if (protocol === Protocol.tcp || protocol === Protocol.udp) return ask(Word.l4Ports, ALL)
  if (!isIcmp(family, protocol)) return 0
  const type = ask(Word.l4Ports, HIGH) >>> 16
  return isQuery(family, type) ? queryPorts(family, type, ask(Word.typeId, LOW) & LOW) : 0
}

const isIcmp = (family: 4 | 6, protocol: number): boolean =>
  protocol === (family === 4 ? Protocol.icmp : ipv6.Protocol.icmpv6)

/**
 * Whether it is an ICMP error about a packet that can be told.  Others are asked for no more than
 * it takes to say so.
 */
export const isErrorAbout = (ctx: SimulationContext): boolean =>
  isErrorPacket(ctx) && ctx.quote() !== null

/**
 * Whether it is an ICMP error of which nobody can say what connection it is about: it has a wrong
 * sum, does not quote enough, or quotes a later fragment of a packet whose first was not seen.
 */
export const isUnreadableError = (ctx: SimulationContext): boolean =>
  isErrorPacket(ctx) && ctx.quote()?.isHeadless !== false

/** Whether the packet is an ICMP error, which quotes another. */
export function isErrorPacket({ key }: SimulationContext): boolean {
  const type = key.ethType
  const family = type === ethernet.Type.ipv4 ? 4 : type === ethernet.Type.ipv6 ? 6 : 0
  if (family === 0) return false
  if (!isIcmp(family, key.ipProto) || key.fragment === Fragment.later) return false
  return isError(family, key.ipProto, (word, bits) => key.ask(word, bits))
}

function isError(family: 4 | 6, protocol: number, ask: Ask): boolean {
  if (!isIcmp(family, protocol)) return false
  const type = ask(Word.l4Ports, HIGH) >>> 16
  return family === 4 ? icmp.isError(type) : icmpv6.isError(type)
}

function errorTuple(
  ctx: SimulationContext,
  scope: Scope,
  arrived: boolean,
  into: Int32Array
): number {
  const quote = arrived ? ctx.quoteArrived() : ctx.quote()
  if (quote === null || quote.isHeadless) return Tuple.none
  into[KeyWord.type] = (scope.kind << 16) | (quote.family << 8) | quote.protocol
  for (let i = 0; i < 4; i++) {
    into[KeyWord.src + i] = quote.dst[i]!
    into[KeyWord.dst + i] = quote.src[i]!
  }
  into[KeyWord.ports] = answerPorts(quote)
  return Tuple.error
}

function answerPorts({ family, protocol, ports, icmpType }: Quoted): number {
  if (!isIcmp(family, protocol)) return (ports << 16) | (ports >>> 16)
  return queryPorts(family, opposite(family, icmpType), ports >>> 16)
}

// The id is not in the key, so no fragment that is tracked becomes a flow.
function fragmentTuple(
  ctx: SimulationContext,
  family: 4 | 6,
  fragment: number,
  protocol: number,
  ask: Ask,
  into: Int32Array
): number {
  const whole = wholeOf(ctx, family, protocol)
  if (whole === undefined) return Tuple.none
  const { words } = ctx.arrived
  if (fragment === Fragment.first) ctx.fragments.note(ctx.entryPort?.device, words, whole, ctx.now)
  else if (!ctx.adoptTransport(whole)) return Tuple.none
  const known = ctx.key.words[Word.ipMisc]! >>> 24
  into[KeyWord.type] = (into[KeyWord.type]! & ~0xff) | known
  into[KeyWord.ports] = portsOf(family, known, ask)
  return Tuple.packet
}

function wholeOf(ctx: SimulationContext, family: 4 | 6, protocol: number): Whole | undefined {
  const raw = ctx.bytes()
  if (raw === undefined) return undefined
  const { view, at, end } = raw
  const l3 = vlan.typeAt(view, at, end) + 2
  if (family === 4)
    return ipv4.fits(view, l3, end) ? { id: ipv4.id(view, l3), next: protocol } : undefined
  if (!ipv6.fits(view, l3, end) || !ipv6.walk(view, l3, end)) return undefined
  const { fragmentAt } = ipv6.walked
  if (fragmentAt === 0) return undefined
  return { id: ipv6.fragmentId(view, fragmentAt), next: view.getUint8(fragmentAt) }
}
