// The state that flows leave behind, kept for a worker.  What a walk would write is written here
// when its packet leaves, and goes to the hosts that may see the other half first; what flows tell
// of their use keeps records alive, here and there; what comes in or goes makes flows stale.
//
//   walk ─► prepare (who must have it) ─► commit (table, messages) ─► flush ─► ticket
//                                                         released(ticket) ◄─ acknowledged, or late

import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import type { ActionList } from '../../flow/actions.ts'
import { stateTag } from '../../flow/tag.ts'
import { type SimulationContext, Verdict } from '../../simulation/context.ts'
import type { Port } from '../../simulation/device.ts'
import { StateAccess } from '../../state/access.ts'
import { openAt } from '../../state/conflict.ts'
import { type Exchange, Room } from '../../state/exchange/exchange.ts'
import { Kind, keyHash, RECORD_WORDS, RecordWord, StateFlag } from '../../state/record.ts'
import { Put, type StateTable } from '../../state/table.ts'
import { type Timeouts, timeoutOf } from '../../state/timeouts.ts'
import { Protocol } from '../../wire/protocol.ts'
import * as tcp from '../../wire/tcp.ts'
import type { HostEvents } from '../events.ts'
import type { NewFlow } from '../flows/flow-cache.ts'
import { Arrival } from './arrival.ts'
import { Asking } from './asking.ts'
import { PORT_FULL, type PortQuota } from './port-quota.ts'
import type { ReplicationTargets } from './targets.ts'

/** What a flow owes to state, and keeps alive by being used. */
export interface FlowLinks {
  readonly met: readonly number[] // handles, each with its stamp behind it
  /** The ports it enters and leaves by: whose hosts are told of its use.  None: it is dropped. */
  readonly entry: Port | null
  readonly outs: readonly Port[]
  sharedMs: number // when the peers last heard that it is in use
}

/** Until when, by packets with which TCP flags, and how far they came; 0: not known. */
export interface Used {
  readonly usedMs: number
  readonly tcpFlags: number
  readonly tcpNext: number
}

export interface StateSaver {
  add(record: Int32Array, at: number, idleMs: number): void
  forget(port: number): void
}

export interface FlowStateParts {
  readonly word: number // hostHash of this host
  readonly table: StateTable
  readonly exchange: Exchange | null // null: nobody to share with
  readonly saver: StateSaver | null
  readonly timeouts: Timeouts
  readonly quota: PortQuota
  readonly targets: ReplicationTargets
  readonly clock: Clock
  readonly counters: Counters
  readonly events: HostEvents
}

const EXPIRE_SLICE = 512
const EXPIRE_SLICES_MAX = 16 // in one tick
// Peers hear of a connection in use at least so often, and at a quarter of its idle time.
const REFRESH_MS_MAX = 300_000
const NOBODY: readonly number[] = []

export class FlowState {
  readonly access: StateAccess
  readonly asking: Asking
  readonly arrival: Arrival
  readonly table: StateTable
  readonly #parts: FlowStateParts
  readonly #record = new Int32Array(RECORD_WORDS)
  readonly #expired = new Int32Array(EXPIRE_SLICE * RECORD_WORDS)
  readonly #conflicts: Counter
  readonly #expiredCount: Counter
  readonly #shared: Counter
  #peers: readonly number[] = []
  #room: Room = Room.nobody // at those, for what the walk would write
  /** Whether what `commit` wrote has to be with others before the packet leaves. */
  mustHold = false

  constructor(parts: FlowStateParts) {
    this.#parts = parts
    this.table = parts.table
    this.access = new StateAccess(parts.table)
    this.asking = new Asking(parts.exchange, parts.targets)
    this.arrival = new Arrival(parts.table, parts.counters)
    const { counters, table } = parts
    this.#conflicts = counters.claim('state.conflicts', 'Walks whose state had come from elsewhere')
    this.#expiredCount = counters.claim('state.expired', 'Records that nobody used any more')
    this.#shared = counters.claim('state.shared', 'Records sent to other hosts before a packet')
    for (const [name, kind] of Object.entries(Kind))
      counters.gauge(`state.${name}`, () => table.count(kind), `Records of kind ${name}`)
    counters.gauge('state.evicted', () => table.evicted, 'Records evicted for want of room')
  }

  /** Finds out who must have what the walk would write.  False: `ctx` waits for something. */
  prepare(ctx: SimulationContext): boolean {
    this.#peers = NOBODY
    if (ctx.state.pendingCount === 0 && ctx.state.refCount === 0) return true
    const { targets } = this.#parts
    const peers = targets.of(ctx.entryPort, ctx.outPorts)
    if (peers !== undefined) this.#peers = peers
    else ctx.waitingFor = targets.waitingFor
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
      ctx.cacheable = false
      return ctx.drop(refusal)
    }
    if (this.#commit(ctx)) return verdict
    ctx.waitingFor = WALK_AGAIN
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
    const out = ctx.outPorts.length === 1 ? ctx.outPorts[0] : undefined // it is not flooded
    this.#noteMet(ctx)
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
      if (pending[at]! >>> 16 === Kind.sticky || !this.#write(ctx, at, by)) continue
      if (peers.length > 0) exchange?.refresh(pending, at, 0, peers)
    }
  }

  // Files pending[at].  False when a better record stands in its way.
  #write({ state, entryPort, tcpFlagsUnseen }: SimulationContext, at: number, out?: Port): boolean {
    const { table, clock, word } = this.#parts
    const words = state.pending
    words[at + RecordWord.ingress] = entryPort?.number ?? 0
    words[at + RecordWord.egress] = out?.number ?? 0
    words[at + RecordWord.owner] = word
    const isSeen = tcp.opens(tcpFlagsUnseen) || (words[at]! & 255) !== Protocol.tcp
    openAt(words, at, clock.wall(), isSeen)
    const put = table.put(words, at, 0)
    if (put === Put.refused) {
      this.#conflicts.value++
      return false
    }
    // Flows that found nothing here, or what stood here before, are to look again.
    if (put !== Put.merged) this.#stale([keyHash(words, at), keyHash(words, at + RecordWord.b)])
    state.met(table.lastId << 1)
    return true
  }

  /** Sends what was committed.  A ticket to wait for, or 0. */
  flush(): number {
    return this.#parts.exchange?.flush() ?? 0
  }

  /** What the walk that was committed last has met: for its flow.  null: nothing. */
  links(ctx: SimulationContext): FlowLinks | null {
    const { refs, stamps, refCount, pendingCount } = ctx.state
    if (refCount === 0 || ctx.isOnlyAbout) return null
    const met: number[] = []
    for (let i = 0; i < refCount; i++) met.push(refs[i]!, stamps[i]!)
    const { entryPort: entry, outPorts, refusedBy, now } = ctx
    const outs = outPorts.length === 0 && refusedBy !== null ? [refusedBy] : [...outPorts]
    return { met, entry, outs, sharedMs: pendingCount > 0 ? now : 0 }
  }

  /** The flow of the walk that was committed last. */
  flow(ctx: SimulationContext, actions: ActionList): NewFlow {
    const links = this.links(ctx)
    return {
      actions,
      ttlMin: ctx.ttlMin,
      cachePolicy: ctx.cachePolicy,
      tags: ctx.tags,
      tagCount: ctx.tagCount,
      now: ctx.now,
      links,
      stateful: links !== null,
      held: this.mustHold,
      tcpNext: this.arrival.streams.next
    }
  }

  /** A flow was used. */
  used(links: FlowLinks, { usedMs, tcpFlags, tcpNext }: Used): void {
    if (links.outs.length === 0) return // what is dropped keeps nothing alive, and answers nothing
    const now = this.#parts.clock.now()
    let told = false
    for (let i = 0; i < links.met.length; i += 2) {
      const handle = links.met[i]!
      const stamp = links.met[i + 1]!
      const idleMs = Math.max(0, now - usedMs)
      this.arrival.streams.note(handle, stamp, tcpNext)
      const changed = this.table.note(handle, stamp, tcpFlags, idleMs)
      if (!this.#read(handle, stamp)) continue
      if (!changed && now - links.sharedMs < this.#refreshMs()) continue
      if (changed) this.#unblocked()
      told = true
      // Whoever is responsible by now: ports of the group may have moved since the flow was made.
      this.#tell(this.#parts.targets.of(links.entry, links.outs) ?? NOBODY, idleMs)
    }
    if (told) links.sharedMs = now
  }

  /** Lets go of what nobody uses any more.  Called every tick. */
  tick(): void {
    this.#parts.quota.tick()
    for (let slice = 0; slice < EXPIRE_SLICES_MAX; slice++) {
      const n = this.table.expire(this.#expired, EXPIRE_SLICE)
      this.#expiredCount.value += n
      const hashes: number[] = []
      for (let i = 0; i < n; i++) {
        hashes.push(keyHash(this.#expired, i * RECORD_WORDS))
        hashes.push(keyHash(this.#expired, i * RECORD_WORDS + RecordWord.b))
      }
      if (n > 0) this.#stale(hashes)
      if (n < EXPIRE_SLICE) return
    }
  }

  // The packet itself is a use of what it met, unless it is an error about it (RFC 5508 REQ-6: a
  // stranger could keep connections open by errors, or make them look answered).
  #noteMet(ctx: SimulationContext): void {
    if (ctx.isOnlyAbout) return
    const { refs, stamps, refCount } = ctx.state
    for (let i = 0; i < refCount; i++) {
      const flags = this.arrival.flagsFor(ctx, refs[i]!, stamps[i]!)
      const changed = this.table.note(refs[i]!, stamps[i]!, flags, 0)
      if (!ctx.generated) this.arrival.streams.note(refs[i]!, stamps[i]!, this.arrival.streams.next)
      if (!changed || !this.#read(refs[i]!, stamps[i]!)) continue
      this.#unblocked()
      if ((refs[i]! & 1) === 1) this.#answeredBy(ctx.entryPort)
      this.#tell(this.#peers, 0)
    }
  }

  // Of what was flooded the first answer tells by which port it is to go on.
  #answeredBy(port: Port | null): void {
    const [ingress, egress] = [this.#record[RecordWord.ingress], this.#record[RecordWord.egress]]
    if (ingress === 0 || egress !== 0 || port?.number === undefined) return
    this.#record[RecordWord.egress] = port.number
    this.table.put(this.#record, 0, 0)
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

  // An answer to what the last port had refused: the opener's flow was a drop.
  #unblocked(): void {
    if ((this.#record[RecordWord.flags]! & StateFlag.blocked) === 0) return
    this.#stale([keyHash(this.#record), keyHash(this.#record, RecordWord.b)])
  }

  // Flows that looked for the keys of these hashes are to look again.
  #stale(hashes: readonly number[]): void {
    this.#parts.events.stale(hashes.map(stateTag))
  }

  #refreshMs(): number {
    return Math.min(REFRESH_MS_MAX, timeoutOf(this.#parts.timeouts, this.#record) * 250)
  }

  #share(words: Int32Array, at: number): void {
    const { exchange } = this.#parts
    if (exchange === null || this.#peers.length === 0) return
    this.#shared.value++
    exchange.share(words, at, this.#peers)
    this.mustHold ||= this.#room === Room.open
  }

  // Of the record that was read: to who is on the way of its packet, and to who is responsible.
  #tell(way: readonly number[], idleMs: number): void {
    const { targets, exchange, saver } = this.#parts
    const record = this.#record
    const of = targets.ofNumbers(record[RecordWord.ingress]!, record[RecordWord.egress]!)
    const peers = of.every(each => way.includes(each)) ? way : [...new Set([...way, ...of])]
    if (peers.length > 0) exchange?.refresh(record, 0, idleMs, peers)
    saver?.add(record, 0, idleMs)
  }
}

/** What is in the way of an outcome: the packet is walked once more. */
export const WALK_AGAIN = 'again'

// The first packet of a TCP connection, if it is one of TCP.
const opensTcp = (ctx: SimulationContext): boolean => tcp.opens(ctx.tcpFlagsUnseen)
