// What the connection table says of a packet (firewall/tracking.test.ts holds it). A connection has
// two keys: its opener's packets as they arrive, in the scope of the device where they enter, and
// the answers as they will come, in the scope of the device where the opener's packets leave. It is
// asked for once a walk, of the packet as it arrived; only what was asked about is tracked.
//
//   new          opens one; written down when the packet leaves. Every SYN of an opener is,
//                and all of who was refused, until the other end answers
//   established  of a known one, in either direction
//   related      an ICMP error about a packet of a known one
//   invalid      TCP that neither opens nor belongs, an ICMP answer to no question, errors of none
//   untracked    no IP, or a fragment whose first one was not seen

import { Word } from '../flow/key.ts'
import {
  KEY_WORDS,
  KeyWord,
  Kind,
  mirror,
  RECORD_WORDS,
  RecordWord,
  StateFlag,
  sameKey,
  scopeOf
} from '../state/record.ts'
import { flagsAfter, isBlocked, isOver } from '../state/timeouts.ts'
import * as icmp from '../wire/icmp.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import { Protocol } from '../wire/protocol.ts'
import { isAnswer } from '../wire/query.ts'
import * as tcp from '../wire/tcp.ts'
import type { SimulationContext } from './context.ts'
import type { DeviceId } from './device.ts'
import { isUnreadableError, type Scope, Tuple, tupleOf } from './tuple.ts'

/** What a packet is to the connections that are known: rules ask for it by these words. */
export const ConnectionState = {
  untracked: 'untracked',
  new: 'new',
  established: 'established',
  related: 'related',
  invalid: 'invalid'
} as const
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState]

const SCOPES_MAX = 65_536
const OPENING = tcp.Flag.syn | tcp.Flag.ack | tcp.Flag.rst | tcp.Flag.fin

/** The connection a packet belongs to, looked up at most once in each device. */
export class Connection {
  readonly #scopes = new Map<DeviceId, Scope>()
  readonly #key = new Int32Array(KEY_WORDS)
  readonly #record = new Int32Array(RECORD_WORDS)
  readonly #beside = new Int32Array(RECORD_WORDS)
  #looked = false
  #tracked = false // it is written down when it leaves
  #asked = false // a rule asked for its direction or its state
  #ownAsked = false // somebody asked about a device's own word
  #tuple: number = Tuple.none
  #found = false
  #isReturn = false
  #left: DeviceId | null = null // the first device that the packet has left by
  #state: ConnectionState | null = null

  /** Forgets the packet before. */
  begin(): void {
    this.#looked = this.#tracked = this.#asked = this.#ownAsked = false
    this.#found = false
    this.#isReturn = false
    this.#state = this.#left = null
  }

  /** Its connection is written down when it leaves, in whichever direction that is filtered. */
  track(ctx: SimulationContext): void {
    if (ctx.generated) this.#ownAsked = true
    else this.#tracked = true
  }

  /** Whether the packet goes against the direction in which its connection was opened. */
  isReturn(ctx: SimulationContext): boolean {
    this.track(ctx)
    this.#asked = true
    return ctx.generated || this.isKnownReturn(ctx)
  }

  /** The same, without the packet being tracked for it. */
  isKnownReturn(ctx: SimulationContext): boolean {
    this.#look(ctx)
    return this.#isReturn && !this.#isWhereRefused(ctx)
  }

  /** What the packet is to what is known; asks the table, and other hosts where it must. */
  state(ctx: SimulationContext): ConnectionState {
    if (this.isReturn(ctx) && ctx.generated) return ConnectionState.established
    if (this.#isWhereRefused(ctx)) return this.#opening(ctx)
    if (this.#state === null) this.#state = this.#judge(ctx)
    return this.#state
  }

  /**
   * The last port refused the packet: behind all others a connection is open, and what comes from
   * the other end is an answer to it (holes are punched so, and TCP opens from both ends at once).
   */
  refused(ctx: SimulationContext, device: DeviceId): void {
    if (!this.#tracked || ctx.generated) return
    this.#look(ctx)
    if (this.#found || this.#tuple !== Tuple.packet || !this.#opens(ctx.arrived.words)) return
    this.#write(ctx, device, StateFlag.blocked)
  }

  /** The packet leaves by a port of this device: what its answers will look like is known now. */
  leaves(ctx: SimulationContext, device: DeviceId): void {
    if (this.#ownAsked) return this.#ownLeaves(ctx, device)
    if (!this.#tracked && !ctx.tracksAnswers) return
    this.#look(ctx)
    if (this.#isReturn || this.#tuple !== Tuple.packet) return
    if (this.#state === ConnectionState.invalid) return
    // Nobody asked: what opens nothing begins nothing, and is not asked for the flags that say so.
    if (!this.#asked && !this.#found && !this.#opens(ctx.arrived.words)) return
    this.#left ??= device
    if (this.#left === device) this.#write(ctx, device, 0)
    else this.#writeBeside(ctx, device)
  }

  // It is flooded, and leaves by another device, too: an answer may come in there as well, and a
  // record has one key of answers.  So this has a record of its own, as of what had entered there,
  // until the connection goes one way.
  #writeBeside(ctx: SimulationContext, device: DeviceId): void {
    const record = this.#beside
    if (tupleOf(ctx, this.#scope(device), false, record) !== Tuple.packet) return
    mirror(record, 0, record, RecordWord.b)
    if (ctx.state.holds(record, RecordWord.b)) return
    record.fill(0, RecordWord.flags)
    const protocol = record[KeyWord.type]! & 255
    record[RecordWord.flags] = flagsAfter(protocol, 0, false, ctx.tcpFlagsUnseen)
    ctx.putState(record)
  }

  #write(ctx: SimulationContext, device: DeviceId, given: number): void {
    const record = this.#record
    const out = this.#out
    if (tupleOf(ctx, this.#scope(device), false, out) !== Tuple.packet) return
    const begins = !this.#found || this.#isBlocked || this.#begins(ctx)
    mirror(out, 0, record, RecordWord.b)
    if (!begins && sameKey(record, RecordWord.b, this.#kept, RecordWord.b)) return
    for (let i = 0; i < KEY_WORDS; i++) record[i] = this.#key[i]!
    const protocol = this.#key[KeyWord.type]! & 255
    const flags = begins ? given : this.#kept[RecordWord.flags]!
    record[RecordWord.flags] = flagsAfter(protocol, flags, false, ctx.tcpFlagsUnseen)
    record[RecordWord.timeoutS] = 0
    record[RecordWord.data] = 0
    ctx.putState(record)
    this.#found = true
    this.#kept.set(record)
  }

  // What a device says itself passes for established, for it answers something.  When it does not,
  // but asks a host (a health check), it is written down, so that the answer may come in.
  // Whatever was known of these ends is of an earlier connection.
  #ownLeaves(ctx: SimulationContext, device: DeviceId): void {
    const record = this.#record
    if (tupleOf(ctx, this.#scope(device), false, record) !== Tuple.packet) return
    if (!asksHost(record[KeyWord.type]!, ctx.arrived.words)) return
    mirror(record, 0, record, RecordWord.b)
    record.fill(0, RecordWord.flags)
    ctx.asksHost = true
    ctx.putState(record)
  }

  readonly #out = new Int32Array(KEY_WORDS)
  readonly #kept = new Int32Array(RECORD_WORDS) // as it was found

  #look(ctx: SimulationContext): void {
    if (this.#looked) return
    this.#looked = true
    this.#tuple = Tuple.none
    const device = ctx.entryPort?.device
    if (device === undefined) return
    this.#tuple = tupleOf(ctx, this.#scope(device), true, this.#key)
    if (this.#tuple === Tuple.none) return
    this.#found = ctx.findState(this.#key)
    if (!this.#found) return
    this.#kept.set(ctx.state.record)
    this.#isReturn = ctx.state.isReturn
    const isOther = this.#isReturn && this.#isOver && this.#isSyn(ctx)
    if (isOther) this.#found = this.#isReturn = false // the other end begins anew
  }

  #judge(ctx: SimulationContext): ConnectionState {
    if (this.#tuple === Tuple.none)
      return isUnreadableError(ctx) ? ConnectionState.invalid : ConnectionState.untracked
    if (this.#tuple === Tuple.error)
      return this.#found ? ConnectionState.related : ConnectionState.invalid
    if (!this.#found) this.#askOpening(ctx)
    if (this.#hasSyn(ctx)) return this.#judgeSyn(ctx)
    if (this.#found && (this.#isReturn || !this.#isBlocked)) return ConnectionState.established
    return this.#opening(ctx)
  }

  // The datapath sends every SYN of a stateful flow up, so nothing is asked of other packets; but
  // then nothing of what is found for it holds for them.
  #judgeSyn(ctx: SimulationContext): ConnectionState {
    if (this.#found) ctx.outcome.cacheable = false
    if (!this.#isSyn(ctx)) return ConnectionState.invalid // with a FIN or a RST
    if (!this.#isReturn) return this.#opening(ctx)
    // Both ends open at once; later none of them has a reason to.
    const { assured, blocked, replied } = StateFlag
    const flags = this.#kept[RecordWord.flags]!
    const isEarly = (flags & replied) === 0 || (flags & (blocked | assured)) === blocked
    return isEarly ? ConnectionState.established : ConnectionState.invalid
  }

  #opening(ctx: SimulationContext): ConnectionState {
    if (!this.#opens(ctx.arrived.words)) return ConnectionState.invalid
    ctx.isOpening = true
    return ConnectionState.new
  }

  // A known connection is over, and the packet begins another between the same ends.
  #begins(ctx: SimulationContext): boolean {
    return !this.#isReturn && this.#isOver && this.#isSyn(ctx)
  }

  get #isOver(): boolean {
    return isOver(this.#kept[RecordWord.flags]!)
  }

  // The opener's packets were refused, and nothing has come from the other end.
  get #isBlocked(): boolean {
    return this.#found && isBlocked(this.#kept[RecordWord.flags]!)
  }

  // The port that refused the opener's packets does not know of them: what enters by it is new.
  #isWhereRefused(ctx: SimulationContext): boolean {
    return this.#isReturn && this.#isBlocked && ctx.outPort === null && ctx.hops <= 1
  }

  // A SYN that does not answer, as far as this walk is its own: see SimulationContext.isLater.
  #hasSyn(ctx: SimulationContext): boolean {
    if ((this.#key[KeyWord.type]! & 255) !== Protocol.tcp || ctx.isLater) return false
    return (ctx.tcpFlagsUnseen & (tcp.Flag.syn | tcp.Flag.ack)) === tcp.Flag.syn
  }

  #isSyn(ctx: SimulationContext): boolean {
    return this.#hasSyn(ctx) && (ctx.tcpFlagsUnseen & OPENING) === tcp.Flag.syn
  }

  #opens(words: Int32Array): boolean {
    const type = this.#key[KeyWord.type]!
    const isV6 = ((type >>> 8) & 255) === 6
    const icmpType = words[Word.l4Ports]! >>> 16
    switch (type & 255) {
      case Protocol.tcp:
        return (words[Word.l4Misc]! & OPENING) === tcp.Flag.syn
      case Protocol.icmp:
        return isV6 || !isAnswer(4, icmpType)
      case Protocol.icmpv6:
        return !isV6 || !isAnswer(6, icmpType)
      default:
        return true
    }
  }

  // What `#opens` looks at.
  #askOpening(ctx: SimulationContext): void {
    const protocol = this.#key[KeyWord.type]! & 255
    if (protocol === Protocol.tcp) ctx.askArrived(Word.l4Misc, OPENING)
    if (protocol === Protocol.icmp || protocol === Protocol.icmpv6) ctx.askArrived(Word.l4Ports, -1)
  }

  #scope(device: DeviceId): Scope {
    let scope = this.#scopes.get(device)
    if (scope === undefined) {
      if (this.#scopes.size >= SCOPES_MAX) this.#scopes.clear()
      this.#scopes.set(device, (scope = { kind: Kind.connection, words: scopeOf(device) }))
    }
    return scope
  }
}

// A packet of a device's own that wants an answer: a SYN, a datagram, a ping.
function asksHost(type: number, words: Int32Array): boolean {
  const icmpType = words[Word.l4Ports]! >>> 16
  switch (type & 255) {
    case Protocol.tcp:
      return (words[Word.l4Misc]! & OPENING) === tcp.Flag.syn
    case Protocol.udp:
      return true
    case Protocol.icmp:
      return icmpType === icmp.Type.echoRequest
    case Protocol.icmpv6:
      return icmpType === icmpv6.Type.echoRequest
    default:
      return false
  }
}
