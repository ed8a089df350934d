// How records are used: by packets whose walks met them, and by flows, of which the datapath tells.
// Use keeps a record alive, here and at the hosts that may see its other half; what nobody uses any
// more goes. test/state/used-flows.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import { stateTag, type Tag } from '../../flow/tag.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import type { Port } from '../../simulation/device.ts'
import type { Exchange } from '../../state/exchange/exchange.ts'
import { keyHash, RECORD_WORDS, RecordWord, StateFlag } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'
import { isMemory, type Timeouts, timeoutOf } from '../../state/timeouts.ts'
import type { HostEvents } from '../events.ts'
import type { Arrival } from './arrival.ts'
import type { ReplicationTargets } from './targets.ts'

/** The records that a flow rests on: while it is used, they are kept alive. */
export interface FlowLinks {
  /** Handles of the records, each followed by its stamp. */
  readonly met: readonly number[]
  /** The ports it enters and leaves by: whose hosts are told of its use.  None: it is dropped. */
  readonly entry: Port | null
  /** The ports its packets leave by. */
  readonly outs: readonly Port[]
  /** When peers last heard that the flow is in use, on Clock.now()'s scale; 0: never. */
  sharedMs: number
}

/** What use the datapath has seen of a flow. */
export interface Used {
  /** When the last packet came, on Clock.now()'s scale. */
  readonly usedMs: number
  /** Of its packets, or-ed. */
  readonly tcpFlags: number
  /** Behind the furthest byte sent; 0: not known. */
  readonly tcpNext: number
}

/** Where records outlive this agent: a journal or a database. */
export interface StateSaver {
  /** Keeps the record at record[at], which has been idle for `idleMs`. */
  add(record: Int32Array, at: number, idleMs: number): void
  /** The port (its number) is elsewhere: what was kept of it no longer counts. */
  forget(port: number): void
}

/** What `RecordUse` is given. */
export interface RecordUseParts {
  readonly table: StateTable
  /** null: state is not shared. */
  readonly exchange: Exchange | null
  /** null: nothing is kept. */
  readonly saver: StateSaver | null
  readonly timeouts: Timeouts
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
// Uses that wait until it is known whom they concern, and for how long.
const UNTOLD_MAX = 1024
const UNTOLD_MS_MAX = 5000

/** A use whose hosts were not all known when it was seen. */
interface Untold {
  readonly record: Int32Array
  readonly links: Pick<FlowLinks, 'entry' | 'outs'> | null
  readonly usedMs: number
  readonly sinceMs: number
}

/** Keeps records alive by the use of packets and flows, and lets others end. */
export class RecordUse {
  readonly #parts: RecordUseParts
  readonly #arrival: Arrival
  readonly #record = new Int32Array(RECORD_WORDS)
  readonly #expired = new Int32Array(EXPIRE_SLICE * RECORD_WORDS)
  readonly #expiredCount: Counter
  readonly #untoldCount: Counter
  #untold: Untold[] = []

  /** `arrival` knows the packet whose walk has met something. */
  constructor(parts: RecordUseParts, arrival: Arrival) {
    this.#parts = parts
    this.#arrival = arrival
    const help = 'Records that nobody used any more'
    this.#expiredCount = parts.counters.claim('state.expired', help)
    const untold = 'Uses of records that some host was not told of'
    this.#untoldCount = parts.counters.claim('state.uses-untold', untold)
  }

  /** Whether records of a kind remember something, and stand for no connection. */
  isMemory(kind: number): boolean {
    return isMemory(this.#parts.timeouts, kind)
  }

  /** A flow was used: its records live on, and peers are told, now and then. */
  used(links: FlowLinks, { usedMs, tcpFlags, tcpNext }: Used): void {
    if (links.outs.length === 0) return // what is dropped keeps nothing alive, and answers nothing
    const now = this.#parts.clock.now()
    let told = false
    for (let i = 0; i < links.met.length; i += 2) {
      const handle = links.met[i]!
      const stamp = links.met[i + 1]!
      const idleMs = Math.max(0, now - usedMs)
      this.#arrival.streams.note(handle, stamp, tcpNext)
      const changed = this.#parts.table.note(handle, stamp, tcpFlags, idleMs)
      if (!this.#read(handle, stamp)) continue
      if (!changed && now - links.sharedMs < this.#refreshMs()) continue
      if (changed) this.#unblocked()
      told = true
      // Whoever is responsible by now: ports of the group may have moved since the flow was made.
      this.#tell(this.#parts.targets.of(links.entry, links.outs), idleMs, links)
    }
    if (told) links.sharedMs = now
  }

  /**
   * The packet itself is a use of what its walk met, unless it is an error about it (RFC 5508
   * REQ-6: a stranger could keep connections open by errors, or make them look answered).
   */
  met(ctx: SimulationContext, peers: readonly number[]): void {
    if (ctx.isOnlyAbout) return
    const { refs, stamps, refCount } = ctx.state
    for (let i = 0; i < refCount; i++) {
      const flags = this.#arrival.flagsFor(ctx, refs[i]!, stamps[i]!)
      const changed = this.#parts.table.note(refs[i]!, stamps[i]!, flags, 0)
      if (!ctx.generated)
        this.#arrival.streams.note(refs[i]!, stamps[i]!, this.#arrival.streams.next)
      if (!changed || !this.#read(refs[i]!, stamps[i]!)) continue
      this.#unblocked()
      if ((refs[i]! & 1) === 1) this.#answeredBy(ctx.entryPort)
      this.#tell(peers, 0)
    }
  }

  // Of what was flooded the first answer tells by which port it is to go on.
  #answeredBy(port: Port | null): void {
    const [ingress, egress] = [this.#record[RecordWord.ingress], this.#record[RecordWord.egress]]
    if (ingress === 0 || egress !== 0 || port?.number === undefined) return
    this.#record[RecordWord.egress] = port.number
    this.#parts.table.put(this.#record, 0, 0)
  }

  /** Called every tick: tells what had to wait, and removes what has been idle for too long. */
  tick(): void {
    this.#tellLater()
    this.#expire()
  }

  #tellLater(): void {
    const { clock, targets } = this.#parts
    const now = clock.now()
    for (const { record, links, usedMs, sinceMs } of this.#untold.splice(0)) {
      this.#record.set(record)
      const way = links === null ? NOBODY : targets.of(links.entry, links.outs)
      this.#tell(way, now - usedMs, links, sinceMs)
    }
  }

  // Removes records that have been idle for as long as they may.
  #expire(): void {
    for (let slice = 0; slice < EXPIRE_SLICES_MAX; slice++) {
      const n = this.#parts.table.expire(this.#expired, EXPIRE_SLICE)
      this.#expiredCount.value += n
      const tags: Tag[] = []
      for (let i = 0; i < n; i++) tags.push(...tagsOf(this.#expired, i * RECORD_WORDS))
      if (n > 0) this.#parts.events.stale(tags)
      if (n < EXPIRE_SLICE) return
    }
  }

  #read(handle: number, stamp: number): boolean {
    const { table } = this.#parts
    const id = handle >>> 1
    return table.stamp(id) === stamp && table.read(id, this.#record)
  }

  // An answer to what the last port had refused: the opener's flow was a drop.
  #unblocked(): void {
    if ((this.#record[RecordWord.flags]! & StateFlag.blocked) === 0) return
    this.#parts.events.stale(tagsOf(this.#record, 0))
  }

  #refreshMs(): number {
    return Math.min(REFRESH_MS_MAX, timeoutOf(this.#parts.timeouts, this.#record) * 250)
  }

  // Of the record that was read: to who is on the way of its packet, and to who is responsible. An
  // answer may leave by another port than the question came in by, which is then not known here:
  // whoever made the record is.
  #tell(
    way: readonly number[] | undefined,
    idleMs: number,
    links: Untold['links'] = null,
    sinceMs = this.#parts.clock.now()
  ): void {
    const { targets, exchange, saver } = this.#parts
    const record = this.#record
    const ingress = record[RecordWord.ingress]!
    const known = targets.ofNumbers(ingress, record[RecordWord.egress]!)
    if (way === undefined || known === undefined) this.#postpone(idleMs, links, sinceMs)
    const isForeign = ingress !== 0 && !targets.knows(ingress)
    const of = [...(known ?? NOBODY), ...(isForeign ? [record[RecordWord.owner]!] : NOBODY)]
    const peers = new Set([...(way ?? NOBODY), ...of])
    if (peers.size > 0) exchange?.refresh(record, 0, idleMs, [...peers])
    saver?.add(record, 0, idleMs)
  }

  // What the record's ports share is being loaded.
  #postpone(idleMs: number, links: Untold['links'], sinceMs: number): void {
    const now = this.#parts.clock.now()
    if (this.#untold.length === UNTOLD_MAX || now - sinceMs > UNTOLD_MS_MAX)
      this.#untoldCount.value++
    else this.#untold.push({ record: this.#record.slice(), links, usedMs: now - idleMs, sinceMs })
  }
}

/** Carried by flows that looked for either key of the record at words[at]. */
export function tagsOf(words: Int32Array, at: number): Tag[] {
  return [stateTag(keyHash(words, at)), stateTag(keyHash(words, at + RecordWord.b))]
}
