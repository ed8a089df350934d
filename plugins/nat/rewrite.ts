// Puts an address, and a port or ICMP id, in the place of another: in the packet, or in an ICMP
// error and the packet it quotes (RFC 5508 §4).  `key` is the packet's key before, or that of the
// answers to the quoted packet; so one description of a translation serves both.

import {
  ethernet,
  ipv4,
  type Quoted,
  query,
  type SimulationContext,
  state,
  Tuple,
  Word
} from '../../src/plugin.ts'

const { KeyWord } = state
const { Protocol } = ipv4

/** Which end of a packet is translated. */
export type Side = 'src' | 'dst'

/** An end of a connection: four words of address, as in a key, and its port. */
export interface End {
  /** Address: four words; of IPv4 the last alone. */
  readonly words: Int32Array
  /** Port, or id of an echo message. */
  port: number
}

/** An end to read into. */
export const newEnd = (): End => ({ words: new Int32Array(4), port: 0 })

/** Where a key has this side's address. */
export const addressAt = (side: Side): number => (side === 'src' ? KeyWord.src : KeyWord.dst)

/** Reads one end of a key. */
export function endOf(key: Int32Array, at: number, side: Side, into: End): void {
  const from = at + addressAt(side)
  for (let i = 0; i < 4; i++) into.words[i] = key[from + i]!
  const ports = key[at + KeyWord.ports]!
  if (isPing(key, at)) into.port = query.idOf(ports)
  else into.port = side === 'src' ? ports >>> 16 : ports & 0xffff
}

/** Writes one end of a key. */
export function setEnd(key: Int32Array, side: Side, end: End): void {
  const from = addressAt(side)
  for (let i = 0; i < 4; i++) key[from + i] = end.words[i]!
  const ports = key[KeyWord.ports]!
  if (isPing(key)) key[KeyWord.ports] = query.withId(ports, end.port)
  else if (side === 'src') key[KeyWord.ports] = (end.port << 16) | (ports & 0xffff)
  else key[KeyWord.ports] = (ports & ~0xffff) | end.port
}

/** What identifies a connection besides addresses. */
export const Ports = { none: 0, both: 1, id: 2 } as const

/** What of a key's protocol can be translated besides the address. */
export function portsOf(key: Int32Array): number {
  const protocol = key[KeyWord.type]! & 255
  if (protocol === Protocol.tcp || protocol === Protocol.udp) return Ports.both
  return isPing(key) ? Ports.id : Ports.none
}

// Other ICMP has no id: both ports of its key are 0.
function isPing(key: Int32Array, at = 0): boolean {
  const type = key[at + KeyWord.type]!
  const protocol = type & 255
  const family = (type >>> 8) & 255
  const isIcmp = protocol === (family === 4 ? Protocol.icmp : Protocol.icmpv6)
  return isIcmp && key[at + KeyWord.ports] !== 0
}

/** An answer to a question of ICMP. */
export const isReply = (key: Int32Array): boolean =>
  isPing(key) && !query.isQuestion(key[KeyWord.ports]!)

/** Gives the packet another end, and what an ICMP error quotes. */
export function translate(
  ctx: SimulationContext,
  tuple: number,
  key: Int32Array,
  side: Side,
  to: End
): void {
  if (tuple === Tuple.error) return translateError(ctx, key, side, to)
  setAddress(ctx, side, to.words)
  switch (portsOf(key)) {
    case Ports.both:
      if (side === 'src') ctx.key.l4Src = to.port
      else ctx.key.l4Dst = to.port
      break
    case Ports.id:
      ctx.key.icmpId = to.port
  }
}

// Whoever sends an error need not be an end of the connection.  A router inside is known outside by
// the address of the connection (RFC 5508 REQ-5); one outside keeps its own.
function translateError(ctx: SimulationContext, key: Int32Array, side: Side, to: End): void {
  if (side === 'src' || hasDestination(ctx, key)) setAddress(ctx, side, to.words)
  const quote = ctx.quote()!
  requote(ctx, quote, side === 'src' ? 'dst' : 'src', to.words)
  const { port } = to
  switch (portsOf(key)) {
    case Ports.both:
      quote.ports =
        side === 'dst' ? (port << 16) | (quote.ports & 0xffff) : (quote.ports & ~0xffff) | port
      break
    case Ports.id:
      quote.ports = (port << 16) | port
  }
}

/** Gives the quoted packet another address. */
export function requote(
  ctx: SimulationContext,
  quote: Quoted,
  side: Side,
  words: Int32Array
): void {
  for (let i = 0; i < 4; i++) quote[side][i] = words[i]!
  ctx.requote()
}

function hasDestination({ key }: SimulationContext, than: Int32Array): boolean {
  for (let i = 0; i < 4; i++) if (key.ipDstWord(i) !== than[KeyWord.dst + i]) return false
  return true
}

/** Gives the packet another address. */
export function setAddress({ key }: SimulationContext, side: Side, words: Int32Array): void {
  if (key.ethType === ethernet.Type.ipv4) {
    if (side === 'src') key.ipv4Src = words[3]!
    else key.ipv4Dst = words[3]!
  } else if (side === 'src') key.setIpSrc(words)
  else key.setIpDst(words)
}

/** The packet's address as it stands; asks for all of it. */
export function readAddress({ key }: SimulationContext, side: Side, into: Int32Array): void {
  const from = side === 'src' ? Word.ipSrc : Word.ipDst
  const isV4 = key.ethType === ethernet.Type.ipv4
  for (let i = 0; i < 4; i++) into[i] = isV4 && i < 3 ? 0 : key.ask(from + i, -1)
}
