// What is remembered of a connection: which member it was given to.  The record's key A is how the
// client's packets look, key B how the member's answers do, so the translation is one the other's
// mirror.  Of a client whose connections stay together, a sticky record is kept besides.
// balancer.test.ts holds it.

import { isOver, type Scope, type SimulationContext, state } from '../../../src/plugin.ts'
import type { Member, Vip } from '../parts.ts'

const { KEY_WORDS, KeyWord, RECORD_WORDS, RecordWord, mirror, scopeOf } = state
const TCP = 6
const FIN = 1
const SYN = 2
const RST = 4
const ACK = 16

/** Numbers of the kinds of records that a load balancer makes. */
export interface BalancerKinds {
  /** Number of the kind for connections to a member. */
  readonly dnat: number
  /** Number of the kind for a source's member. */
  readonly sticky: number
}

/** Translates between virtual addresses and members, and keeps which member was chosen. */
export class Translations {
  readonly scope: Scope
  /** Of the packet at hand. */
  readonly key = new Int32Array(KEY_WORDS)
  readonly #record = new Int32Array(RECORD_WORDS)
  readonly #stickyKind: number
  readonly #sticky = new Int32Array(RECORD_WORDS)

  constructor(loadBalancer: string, { dnat, sticky }: BalancerKinds) {
    this.#stickyKind = sticky
    this.scope = { kind: dnat, words: scopeOf(loadBalancer) }
  }

  /** Of the packet at hand. */
  get protocol(): number {
    return this.key[KeyWord.type]! & 255
  }

  /** Of the packet at hand. */
  get srcPort(): number {
    return this.key[KeyWord.ports]! >>> 16
  }

  /** Of the packet at hand. */
  get dstPort(): number {
    return this.key[KeyWord.ports]! & 0xffff
  }

  /** Whether a connection other than that of `key` has the same way behind the VIP. */
  isTaken(ctx: SimulationContext, member: Member): boolean {
    const record = this.#made(member)
    if (!ctx.findState(record.subarray(RecordWord.b, RecordWord.b + KEY_WORDS))) return false
    const found = ctx.state.record
    return !state.sameKey(found, 0, this.key, 0) && !isOver(found[RecordWord.flags]!)
  }

  /** Writes down that the packet's connection goes to the member. */
  bind(ctx: SimulationContext, member: Member): void {
    const record = this.#made(member)
    record[RecordWord.data] = member.word
    ctx.putState(record)
  }

  /** The member the client was given to before: its word, or 0. */
  known(ctx: SimulationContext, vip: Vip): number {
    const sticky = this.#sticky
    sticky.fill(0)
    for (let i = 0; i < KEY_WORDS; i++) sticky[i] = this.key[i]!
    sticky[KeyWord.type] = (this.#stickyKind << 16) | (this.key[KeyWord.type]! & 0xffff)
    sticky[KeyWord.ports] = vip.port
    if (!ctx.findState(sticky.subarray(0, KEY_WORDS))) return 0
    return ctx.state.record[RecordWord.data]!
  }

  /** After `known`: from now on the client belongs to the member. */
  keep(ctx: SimulationContext, member: Member): void {
    const sticky = this.#sticky
    sticky[RecordWord.data] = member.word
    ctx.putState(sticky)
  }

  #made(member: Member): Int32Array {
    const record = this.#record
    record.fill(0)
    for (let i = 0; i < KEY_WORDS; i++) record[i] = this.key[i]!
    const b = RecordWord.b
    mirror(record, 0, record, b)
    for (let i = 0; i < 4; i++) record[b + KeyWord.src + i] = member.words[i]!
    const port = member.port === 0 ? this.dstPort : member.port
    record[b + KeyWord.ports] = (port << 16) | this.srcPort
    return record
  }
}

/** A packet that asks for a connection. */
export const opens = (protocol: number, flags: number): boolean =>
  protocol !== TCP || (flags & (SYN | ACK | RST | FIN)) === SYN

/** A packet in the middle of a connection, whose beginning was seen by somebody else. */
export const continues = (flags: number): boolean => (flags & (SYN | ACK | RST)) === ACK

/** The TCP flags that say whether a packet opens a connection. */
export const OPENING_FLAGS = SYN | ACK | RST | FIN
