// The state that flows leave behind, kept for a worker.  What a walk would write is written here
// when its packet leaves, and goes to the hosts that may see the other half first.
// test/state/replication.test.ts holds it.
//
//   walk ─► prepare (who must have it) ─► commit (table, messages) ─► flush ─► ticket
//                                                         released(ticket) ◄─ acknowledged, or late

import type { Counter } from '../../core/counters.ts'
import type { ActionList } from '../../flow/actions.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import type { Port } from '../../simulation/device.ts'
import { Verdict } from '../../simulation/verdict.ts'
import { StateAccess } from '../../state/access.ts'
import { openAt } from '../../state/conflict.ts'
import { Room } from '../../state/exchange/exchange.ts'
import { RECORD_WORDS, RecordWord } from '../../state/record.ts'
import { Put, type StateTable } from '../../state/table.ts'
import { Protocol } from '../../wire/protocol.ts'
import * as tcp from '../../wire/tcp.ts'
import type { NewFlow } from '../flows/flow-cache.ts'
import { WALK_AGAIN } from '../waits.ts'
import { Arrival } from './arrival.ts'
import { Asking } from './asking.ts'
import { PORT_FULL, type PortQuota } from './port-quota.ts'
import { type FlowLinks, RecordUse, type RecordUseParts, tagsOf } from './record-use.ts'

/** What `FlowState` is given. */
export interface FlowStateParts extends RecordUseParts {
  /** hostHash of this host. */
  readonly word: number
  /** Names of the kinds of records, by number from 1. */
  readonly kinds: readonly string[]
  readonly quota: PortQuota
}

const NOBODY: readonly number[] = []

/** Writes the state that walks leave behind, and has it sent before their packets. */
export class FlowState {
  readonly access: StateAccess
  readonly asking: Asking
  readonly arrival: Arrival
  readonly use: RecordUse
  readonly table: StateTable
  readonly #parts: FlowStateParts
  readonly #record = new Int32Array(RECORD_WORDS)
  readonly #conflicts: Counter
  readonly #shared: Counter
  #peers: readonly number[] = []
  #room: Room = Room.nobody // at those, for what the walk would write
  /** Whether what `commit` wrote has to be with others before the packet leaves. */
  mustHold = false

  constructor(parts: FlowStateParts) {
    this.#parts = parts
    this.table = parts.table
    const names = ['', ...parts.kinds]
    this.access = new StateAccess(parts.table, names)
    this.asking = new Asking(parts.exchange, parts.targets)
    this.arrival = new Arrival(parts.table, parts.counters)
    this.use = new RecordUse(parts, this.arrival)
    const { counters, table } = parts
    this.#conflicts = counters.claim('state.conflicts', 'Walks whose state had come from elsewhere')
    this.#shared = counters.claim('state.shared', 'Records sent to other hosts before a packet')
    for (const [kind, name] of names.entries())
      if (kind > 0)
        counters.gauge(`state.${name}`, () => table.count(kind), `Records of kind ${name}`)
    counters.gauge('state.evicted', () => table.evicted, 'Records evicted for want of room')
  }

  /** Finds out who must have what the walk would write.  False: `ctx` waits for something. */
  prepare(ctx: SimulationContext): boolean {
    this.#peers = NOBODY
    if (ctx.state.pendingCount === 0 && ctx.state.refCount === 0) return true
    const { targets } = this.#parts
    const peers = targets.of(ctx.entryPort, ctx.outcome.outPorts)
    if (peers !== undefined) this.#peers = peers
    else ctx.outcome.waitingFor = targets.waitingFor
    return peers !== undefined
  }

  /**
   * Writes state for a packet that leaves, and for no other; gives what becomes of it.  One whose
   * state could not be on its way to the others before it must not leave.
   */
  conclude(ctx: SimulationContext, verdict: Verdict): Verdict {
    this.mustHold = false
    if (verdict === Verdict.drop && ctx.refusedBy !== null) this.#refused(ctx, ctx.refusedBy)
    if (verdict !== Verdict.forward) return verdict
    if (!this.prepare(ctx)) return Verdict.postpone
    // What devices say themselves leaves no state, unless it wants an answer.
    if (ctx.generated && !ctx.asksHost) return verdict
    const refusal = this.#refusal(ctx)
    if (refusal !== '') {
      if (refusal === PORT_FULL) this.#parts.quota.refused(ctx.entryPort!)
      ctx.outcome.cacheable = false
      return ctx.drop(refusal)
    }
    if (this.#commit(ctx)) return verdict
    ctx.outcome.waitingFor = WALK_AGAIN
    return Verdict.postpone
  }

  // Why what the walk would write, or tell again, has no place: at its port, or at whoever must
  // have it.  '' when it has.
  #refusal(ctx: SimulationContext): string {
    const { exchange } = this.#parts
    const { pendingCount, refCount } = ctx.state
    if (this.#parts.quota.isFull(ctx)) return PORT_FULL
    const tells = pendingCount > 0 || (refCount > 0 && opensTcp(ctx))
    const isShared = tells && this.#peers.length > 0
    this.#room = isShared ? (exchange?.room(this.#peers) ?? Room.nobody) : Room.nobody
    return this.#room === Room.full ? 'state.peer-full' : ''
  }

  // False when a better record stood in its way: the packet has to be walked again.
  #commit(ctx: SimulationContext): boolean {
    const { pending, pendingCount } = ctx.state
    const { outPorts } = ctx.outcome
    const out = outPorts.length === 1 ? outPorts[0] : undefined // it is not flooded
    this.use.met(ctx, this.#peers)
    if (opensTcp(ctx)) this.#tellAgain(ctx)
    for (let i = 0; i < pendingCount; i++) {
      const at = i * RECORD_WORDS
      if (!this.#write(ctx, at, out)) return false
      this.#share(pending, at)
      this.#parts.saver?.add(pending, at, 0)
    }
    return true
  }

  // The last port refused a packet that the ones before let pass: what comes from the other end is
  // an answer at those.  Nobody waits for it, and who has no room is made good.
  #refused(ctx: SimulationContext, by: Port): void {
    const { exchange, targets } = this.#parts
    const { pending, pendingCount } = ctx.state
    const peers = pendingCount === 0 ? undefined : targets.of(ctx.entryPort, [by])
    if (peers === undefined) return
    this.#peers = peers
    if (this.#refusal(ctx) !== '') return
    for (let i = 0; i < pendingCount; i++) {
      const at = i * RECORD_WORDS
      if (this.use.isMemory(pending[at]! >>> 16) || !this.#write(ctx, at, by)) continue
      if (peers.length > 0) exchange?.refresh(pending, at, 0, peers)
    }
  }

  /**
   * Writes what a flow of the kernel would leave, whose walk it is, when nobody knows its
   * connection any more: as of one that was opened unseen. Nobody waits for it. False: there is no
   * room.
   */
  takeUp(ctx: SimulationContext): boolean {
    if (this.#refusal(ctx) !== '') return false
    const { exchange, saver } = this.#parts
    const { pending, pendingCount } = ctx.state
    const { outPorts } = ctx.outcome
    const out = outPorts.length === 1 ? outPorts[0] : undefined
    for (let i = 0; i < pendingCount; i++) {
      const at = i * RECORD_WORDS
      if (!this.#write(ctx, at, out, false)) return false
      if (this.#peers.length > 0) exchange?.refresh(pending, at, 0, this.#peers)
      saver?.add(pending, at, 0)
    }
    return true
  }

  // Files pending[at].  False when a better record stands in its way.
  #write(ctx: SimulationContext, at: number, out?: Port, sees = true): boolean {
    const { state, entryPort, tcpFlagsUnseen } = ctx
    const { table, clock, word, events } = this.#parts
    const words = state.pending
    words[at + RecordWord.ingress] = entryPort?.number ?? 0
    words[at + RecordWord.egress] = out?.number ?? 0
    words[at + RecordWord.owner] = word
    const isSeen = sees && (tcp.opens(tcpFlagsUnseen) || (words[at]! & 255) !== Protocol.tcp)
    openAt(words, at, clock.wall(), isSeen)
    const put = table.put(words, at, 0)
    if (put === Put.refused) {
      this.#conflicts.value++
      return false
    }
    // Flows that found nothing here, or what stood here before, are to look again.
    if (put !== Put.merged) events.stale(tagsOf(words, at))
    state.met(table.lastId << 1)
    return true
  }

  /**
   * Sends the records of all walks since the last flush. Gives the ticket their packets are held
   * for; 0: nothing is waited for.
   */
  flush(): number {
    return this.#parts.exchange?.flush() ?? 0
  }

  /** The records that the walk concluded last has met, for its flow to rest on; null: none. */
  links(ctx: SimulationContext): FlowLinks | null {
    const { refs, stamps, refCount, pendingCount } = ctx.state
    if (refCount === 0 || ctx.isOnlyAbout) return null
    const met: number[] = []
    for (let i = 0; i < refCount; i++) met.push(refs[i]!, stamps[i]!)
    const { entryPort: entry, refusedBy, now } = ctx
    const { outPorts } = ctx.outcome
    const outs = outPorts.length === 0 && refusedBy !== null ? [refusedBy] : [...outPorts]
    return { met, entry, outs, sharedMs: pendingCount > 0 ? now : 0 }
  }

  /** The flow that the walk concluded last comes to, with these actions. */
  flow(ctx: SimulationContext, actions: ActionList): NewFlow {
    const links = this.links(ctx)
    const { ttlMin, cachePolicy, tags, tagCount } = ctx.outcome
    return {
      actions,
      ttlMin,
      cachePolicy,
      tags,
      tagCount,
      now: ctx.now,
      links,
      stateful: links !== null,
      held: this.mustHold,
      tcpNext: this.arrival.streams.next
    }
  }

  /** Call it every tick: expires records, tells uses and counts that had to wait. */
  tick(): void {
    this.#parts.quota.tick()
    this.use.tick()
  }

  // A connection begins, and what this host knew of its ends stands: others may have let it go.
  #tellAgain(ctx: SimulationContext): void {
    const { refs, stamps, refCount } = ctx.state
    for (let i = 0; i < refCount; i++)
      if ((refs[i]! & 1) === 0 && this.#read(refs[i]!, stamps[i]!)) this.#share(this.#record, 0)
  }

  #read(handle: number, stamp: number): boolean {
    const id = handle >>> 1
    return this.table.stamp(id) === stamp && this.table.read(id, this.#record)
  }

  #share(words: Int32Array, at: number): void {
    const { exchange } = this.#parts
    if (exchange === null || this.#peers.length === 0) return
    this.#shared.value++
    exchange.share(words, at, this.#peers)
    this.mustHold ||= this.#room === Room.open
  }
}

// The first packet of a TCP connection, if it is one of TCP.
const opensTcp = (ctx: SimulationContext): boolean => tcp.opens(ctx.tcpFlagsUnseen)
