// Translations that are remembered.  A translation is one record of the state table: key A is the
// opener's packet before it is translated, key B the answer to it afterwards.  So the packets of
// the opener find it by A and its answers by B, on whichever host they come in, and either key,
// mirrored, says what the packet is to become.
//
//   snat    A  10.0.0.1:1234 > 192.0.2.7:80       B  192.0.2.7:80 > 180.0.1.200:1234
//   dnat    A  192.0.2.7:5000 > 180.0.1.100:80    B  10.0.0.1:8080 > 192.0.2.7:5000
//
// B is nobody else's: that is all that makes an answer find its way. nat.test.ts holds it.

import {
  address,
  CachePolicy,
  ethernet,
  Fragment,
  isOver,
  type SimulationContext,
  state,
  Tuple,
  tcp,
  tupleOf,
  Verdict,
  WAIT_FOR_PULL
} from '../../src/plugin.ts'
import { Choice, type Chooser } from './choice.ts'
import type { NatCounters } from './counters.ts'
import {
  type End,
  endOf,
  isReply,
  newEnd,
  Ports,
  portsOf,
  type Side,
  translate
} from './rewrite.ts'
import { newKey, Scopes } from './scope.ts'
import type { TargetList } from './targets.ts'

const { KEY_WORDS, KeyWord, mirror, RECORD_WORDS, RecordWord } = state
const OPENING = tcp.Flag.syn | tcp.Flag.ack | tcp.Flag.rst | tcp.Flag.fin

/** The rule did not apply: the next one is tried. */
export const SKIPPED = 0
/** The translation was done. */
export const APPLIED = -1

/** Numbers of the kinds of records that translations are. */
export interface TranslationKinds {
  /** Number of the kind for translated senders. */
  readonly snat: number
  /** Number of the kind for translated receivers. */
  readonly dnat: number
}

/** Translates connections, and keeps what was chosen in flow state. */
export class Translations {
  readonly #side: Side // that is translated on the way out
  readonly #kinds: readonly number[]
  readonly #scopes: Scopes
  readonly #chooser: Chooser
  readonly #counters: NatCounters
  readonly #key = newKey()
  readonly #record = new Int32Array(RECORD_WORDS)
  readonly #end = newEnd()

  constructor(side: Side, kinds: TranslationKinds, chooser: Chooser, counters: NatCounters) {
    this.#side = side
    this.#kinds = [kinds.snat, kinds.dnat]
    this.#scopes = new Scopes(side === 'src' ? kinds.snat : kinds.dnat)
    this.#chooser = chooser
    this.#counters = counters
  }

  /** In the direction of the opener.  SKIPPED, APPLIED or a verdict that ends the walk. */
  forward(ctx: SimulationContext, list: TargetList, keeps: boolean): number {
    const key = this.#key
    const tuple = tupleOf(ctx, this.#scopes.of(ctx), false, key)
    if (tuple === Tuple.none) return lostFragment(ctx)
    if (tuple === Tuple.error) return SKIPPED
    if (((key[KeyWord.type]! >>> 8) & 255) !== list.target.family) return SKIPPED
    const found = ctx.findState(key)
    if (found && ctx.state.isReturn) return SKIPPED // an answer, not yet translated back
    if (!found && this.#isAnswer(ctx)) return SKIPPED
    // It answers what was opened from the other side and never translated.
    if (!found && !ctx.generated && ctx.isKnownReturn) return SKIPPED
    if (!found && cannotOpen(ctx, key) && ctx.mayPull) return ctx.postpone(WAIT_FOR_PULL)
    if (!found && isReply(key)) return SKIPPED
    if (found && (keeps || this.#isStill(ctx, list))) {
      if (begins(ctx, key)) this.#again(ctx)
      return this.#apply(ctx, tuple, RecordWord.b)
    }
    const made = this.#make(ctx, list)
    return made === Verdict.forward ? this.#apply(ctx, tuple, RecordWord.b) : made
  }

  /** Of answers.  What no translation knows is left as it is. */
  reverse(ctx: SimulationContext): number {
    const tuple = tupleOf(ctx, this.#scopes.of(ctx), false, this.#key)
    if (tuple === Tuple.none) return lostFragment(ctx)
    if (tuple !== Tuple.packet) return SKIPPED
    if (ctx.findState(this.#key) && ctx.state.isReturn) return this.#apply(ctx, tuple, RecordWord.a)
    // A packet that no translation knows may open a connection from outside. Should nothing
    // translate it, its answers must not be translated either: they have to be known.
    if (this.#side === 'src') ctx.tracksAnswers = true
    return SKIPPED
  }

  /** Of ICMP errors: about answers to the opener, or, `isReverse`, about the opener's packets. */
  mend(ctx: SimulationContext, isReverse: boolean): number {
    const tuple = tupleOf(ctx, this.#scopes.of(ctx), false, this.#key)
    if (tuple !== Tuple.error) return SKIPPED
    if (!ctx.findState(this.#key))
      return !isReverse && ctx.mayPull ? ctx.postpone(WAIT_FOR_PULL) : SKIPPED
    if (ctx.state.isReturn !== isReverse) return SKIPPED
    return this.#apply(ctx, tuple, isReverse ? RecordWord.a : RecordWord.b)
  }

  // The record says by its other key what the answer to the translated packet looks like.
  #apply(ctx: SimulationContext, tuple: number, other: number): number {
    ctx.tracksAnswers = false
    const outward = other === RecordWord.b
    const side = outward === (this.#side === 'src') ? 'src' : 'dst'
    endOf(ctx.state.record, other, side === 'src' ? 'dst' : 'src', this.#end)
    translate(ctx, tuple, this.#key, side, this.#end)
    if (ctx.trace !== null) ctx.trace.step(`     nat ${side} ${describe(this.#key, this.#end)}`)
    return APPLIED
  }

  // A translation has just been undone: the packet is as its receiver knows it.
  #isAnswer(ctx: SimulationContext): boolean {
    const { state: access } = ctx
    mirror(this.#key, 0, this.#record, 0)
    return this.#kinds.some(kind => {
      this.#record[0] = (kind << 16) | (this.#key[0]! & 0xffff)
      return access.holds(this.#record) && ctx.findState(this.#record) && !access.isReturn
    })
  }

  // The interface has another address now: what went out by the old one cannot come back.
  #isStill(ctx: SimulationContext, list: TargetList): boolean {
    endOf(ctx.state.record, RecordWord.b, this.#side === 'src' ? 'dst' : 'src', this.#end)
    return list.has(this.#end.words)
  }

  #make(ctx: SimulationContext, list: TargetList): number {
    if (portsOf(this.#key) === Ports.both && this.#key[KeyWord.ports] === 0)
      return ctx.drop('nat.no-ports')
    const choice = this.#chooser.choose(ctx, this.#side, this.#key, list)
    if (choice === Choice.none) {
      this.#counters.exhausted.value++
      return ctx.drop('nat.exhausted', CachePolicy.short)
    }
    if (choice === Choice.later) return ctx.postpone(this.#chooser.waitingFor)
    const record = this.#record.fill(0)
    for (let i = 0; i < KEY_WORDS; i++) {
      record[i] = this.#key[i]!
      record[RecordWord.b + i] = this.#chooser.answer[i]!
    }
    ctx.putState(record)
    if (!ctx.state.find(this.#key)) return ctx.drop('nat.too-many-translations', CachePolicy.short)
    this.#counters.made.value++
    return Verdict.forward
  }

  // The connection is over, and another begins between the same ends: what was seen of the last
  // one says nothing of this one.
  #again(ctx: SimulationContext): void {
    const record = this.#record
    record.set(ctx.state.record)
    record[RecordWord.flags] = 0
    ctx.putState(record)
  }
}

// It cannot be the first of its connection: another host may know what it became there.
function cannotOpen(ctx: SimulationContext, key: Int32Array): boolean {
  if (isReply(key)) return true
  if ((key[KeyWord.type]! & 255) !== 6) return false
  return (ctx.tcpFlagsUnseen & OPENING) !== tcp.Flag.syn
}

function begins(ctx: SimulationContext, key: Int32Array): boolean {
  if ((key[KeyWord.type]! & 255) !== 6) return false
  if ((ctx.tcpFlagsUnseen & OPENING) !== tcp.Flag.syn) return false
  return isOver(ctx.state.record[RecordWord.flags]!)
}

// It would leave untranslated, and nobody could put it together again.
function lostFragment(ctx: SimulationContext): number {
  const { ethType } = ctx.key
  if (ethType !== ethernet.Type.ipv4 && ethType !== ethernet.Type.ipv6) return SKIPPED
  if (ctx.key.fragment !== Fragment.later) return SKIPPED
  return ctx.drop('nat.lost-fragment', CachePolicy.short)
}

function describe(key: Int32Array, { words, port }: End): string {
  const family = ((key[KeyWord.type]! >>> 8) & 255) === 6 ? 6 : 4
  return `${address.formatIp({ family, words })} port ${port}`
}
