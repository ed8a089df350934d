// Who holds which records.  A host holds those of the ports bound here and of the ports that share
// a stateful group with them; when it loses a port or a group, it hands over what it is no longer
// responsible for to those who are, and forgets it.  Otherwise what it kept would be what the port
// finds when it comes back, hours later, of connections that have long ended elsewhere.
//
//   lost ─ GRACE ─► slice: given to heirs ─► nothing of it is under way ─► forgotten ─► next slice
//                                        └─► an heir is away, or nobody's: kept, a while ─► again
// test/state/moves.test.ts holds it.

import type { Clock, Timer } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import { stateTag } from '../../flow/tag.ts'
import type { Exchange } from '../../state/exchange/exchange.ts'
import { keyHash, RECORD_WORDS, RecordWord } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'
import type { HostEvents } from '../events.ts'
import type { StateSaver } from './record-use.ts'
import type { ReplicationTargets } from './targets.ts'

/** What `Custody` is given. */
export interface CustodyParts {
  /** hostHash of this host: what devices here said of themselves is ours. */
  readonly word: number
  readonly table: StateTable
  readonly exchange: Exchange | null
  readonly targets: ReplicationTargets
  readonly saver: StateSaver | null
  readonly clock: Clock
  readonly counters: Counters
  readonly events: HostEvents
}

interface Handed {
  readonly id: number
  readonly stamp: number
  readonly heirs: readonly number[]
}

const SLICE = 256
const PAUSE_MS = 1
// A port that flaps between hosts finds everything as it left it; and what others still send by
// what they knew a moment ago comes in before we look.  Then again, for what came later.
const LOOKS_MS = [2000, 8000, 32_000, 128_000, 300_000]
const DRAIN_MS_MAX = 1000 // after which a message was acknowledged or given up
const BACKLOG_MAX = 256
// An heir that is away, or a port bound nowhere, has so long to come; then it is left to the group.
const KEEP_MS = 300_000

/** Which records this host is responsible for; hands over and forgets the others. */
export class Custody {
  readonly #parts: CustodyParts
  readonly #records = new Int32Array(SLICE * RECORD_WORDS)
  readonly #record = new Int32Array(RECORD_WORDS)
  readonly #idleMs = new Float64Array(SLICE)
  readonly #forgotten: Counter
  #ours: ReadonlySet<number> | undefined // port numbers
  readonly #lost = new Set<number>() // ports whose records are not all handed over
  #lostMs = 0
  #isKept = false // something of this look
  #isUnknown = false // who the heirs of something are: it is being loaded
  #looks = 0 // since something was lost
  #cursor = 0 // 0: no look is under way
  #handed: Handed[] = []
  #handedMs = 0
  #timer: Timer | null = null
  #isClosed = false

  constructor(parts: CustodyParts) {
    this.#parts = parts
    const help = 'Records handed over and forgotten, their ports being elsewhere'
    this.#forgotten = parts.counters.claim('state.forgotten', help)
  }

  /**
   * Call it when bindings or port groups may have changed: what is no longer ours is handed over,
   * after 2 s.
   */
  refresh(): void {
    const ours = this.#parts.targets.ours()
    const before = this.#ours
    if (ours === undefined || this.#isClosed) return
    this.#ours = ours
    const lost = [...(before ?? [])].filter(number => !ours.has(number))
    if (before !== undefined && lost.length === 0) return this.#lookAgain()
    for (const number of lost) this.#lost.add(number)
    this.#lostMs = this.#parts.clock.now()
    this.#looks = 0
    if (this.#cursor === 0) this.#arm(LOOKS_MS[0]!)
  }

  // What a look did not know of an heir may be here now.
  #lookAgain(): void {
    if (!this.#isUnknown || this.#cursor !== 0 || this.#handed.length > 0) return
    this.#isUnknown = false
    this.#looks-- // the same one
    this.#arm(PAUSE_MS)
  }

  /** Stops permanently: nothing more is handed over or forgotten. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#isClosed ? null : this.#parts.clock.after(delayMs, () => this.#turn())
  }

  #turn(): void {
    if (this.#cursor === 0) {
      this.#cursor = 1
      this.#isKept = this.#isUnknown = false
      this.#looks++
    }
    if (this.#handed.length > 0) {
      if (!this.#isDelivered()) return this.#arm(PAUSE_MS)
      this.#forget()
    } else this.#hand()
    if (this.#handed.length > 0 || this.#cursor !== 0) return this.#arm(PAUSE_MS)
    if (!this.#isKept) this.#forgetSaved()
    const next = LOOKS_MS[this.#looks]
    if (next !== undefined) this.#arm(this.#lostMs + next - this.#parts.clock.now())
  }

  // What was kept for another life of this agent is older than what the port's new host knows.
  #forgetSaved(): void {
    for (const number of this.#lost)
      if (this.#ours?.has(number) === false) this.#parts.saver?.forget(number)
    this.#lost.clear()
  }

  // One slice to its heirs.
  #hand(): void {
    const { table, exchange, clock } = this.#parts
    const n = table.scan(this.#cursor, this.#records, this.#idleMs)
    this.#cursor = table.next
    this.#handedMs = clock.now()
    for (let i = 0; i < n; i++) {
      const at = i * RECORD_WORDS
      if (this.#isOurs(this.#records, at)) continue
      const handle = table.find(this.#records, at)
      const heirs = this.#heirsOf(this.#records, at)
      if (heirs === undefined) this.#isKept = true
      if (handle === 0 || (handle & 1) === 1 || heirs === undefined) continue
      if (heirs.length > 0) exchange?.refresh(this.#records, at, this.#idleMs[i]!, heirs)
      this.#handed.push({ id: handle >>> 1, stamp: table.stamp(handle >>> 1), heirs })
    }
  }

  // undefined: they cannot take it now, and there is still time.
  #heirsOf(records: Int32Array, at: number): readonly number[] | undefined {
    const { targets, exchange, clock } = this.#parts
    const ingress = records[at + RecordWord.ingress]!
    const egress = records[at + RecordWord.egress]!
    const known = targets.ofNumbers(ingress, egress)
    this.#isUnknown ||= known === undefined
    const heirs = known ?? []
    if (clock.now() - this.#lostMs >= KEEP_MS)
      return heirs.filter(heir => exchange?.isReady(heir) === true)
    const canTake = (heir: number): boolean => {
      const backlog = exchange?.backlog(heir) ?? -1
      return backlog >= 0 && backlog <= BACKLOG_MAX
    }
    if (this.#looks > 1 && this.#isStrange(ingress) && this.#isStrange(egress)) return heirs
    return heirs.length > 0 && heirs.every(canTake) ? heirs : undefined
  }

  // A port that this agent does not know and never lost, even by its second look: whoever told of
  // its flow, by what it knew a moment before, has it.
  #isStrange(number: number): boolean {
    return !this.#lost.has(number) && !this.#parts.targets.knows(number)
  }

  #isDelivered(): boolean {
    const { exchange, clock } = this.#parts
    if (clock.now() - this.#handedMs >= DRAIN_MS_MAX) return true
    const heirs = new Set(this.#handed.flatMap(each => each.heirs))
    return exchange === null || [...heirs].every(heir => exchange.backlog(heir) <= 0)
  }

  // What came back to us meanwhile stays, and so does what an heir can no longer have.
  #forget(): void {
    const { table, exchange, events } = this.#parts
    const hashes: number[] = []
    for (const { id, stamp, heirs } of this.#handed.splice(0)) {
      if (table.stamp(id) !== stamp || !table.read(id, this.#record)) continue
      if (this.#isOurs(this.#record, 0)) continue
      if (!heirs.every(heir => exchange?.isReady(heir) === true)) {
        this.#isKept = true
        continue
      }
      hashes.push(keyHash(this.#record), keyHash(this.#record, RecordWord.b))
      table.remove(id, stamp)
      this.#forgotten.value++
    }
    if (hashes.length > 0) events.stale(hashes.map(stateTag))
  }

  // What a device of ours said of itself came in by no port.
  #isOurs(records: Int32Array, at: number): boolean {
    const ingress = records[at + RecordWord.ingress]!
    const egress = records[at + RecordWord.egress]!
    if (this.#ours?.has(ingress) !== false || this.#ours.has(egress)) return true
    return ingress === 0 && records[at + RecordWord.owner]! === this.#parts.word
  }
}
