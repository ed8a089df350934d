// One table of those that hosts share, while somebody here needs it.  ZooKeeper gives its changes
// their order, so nobody who appends can lose.  Once there are many, one who has appended makes the
// base anew, and older changes go.
//
//   write ──► pending ──► append ──► n ──► follow to n ──► apply, tell ──► done
//                            ▲ unknown: was it there?  Changes of a process are numbered, and one
//                            └ that comes twice counts once.
// (test/zookeeper/tables.test.ts, ensemble.test.ts)

import { fail, isFailure, reasonOf } from '../../../core/errors.ts'
import { SEED } from '../../sqlite/entries.ts'
import type { TableEvent } from '../../store.ts'
import { isUnknown, isZooKeeperError, ZooKeeperError } from '../client/errors.ts'
import { toNode } from '../nodes/blob.ts'
import { Audience } from './audience.ts'
import { compact } from './base.ts'
import { type TableChange, toBlob } from './change.ts'
import type { TableParts } from './parts.ts'
import { Rows, STEPS_MAX, type Step } from './rows.ts'
import { TableReader } from './table-reader.ts'
import type { TableWatcher } from './watcher.ts'

interface Asked {
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

interface Write extends Asked {
  readonly step: Step
}

const RETRY_MS = 200
// Before another look at a table that somebody else has damaged.
const FAULT_MS = 2_000
const READY_MS = 1_000
const BYTES_MAX = 256 << 10 // of the keys and values of a change
// Changes after which a base is made: so many, or one for so many rows.
const CHANGES_MAX = 64
const ROWS_PER_CHANGE = 16

/** One table: what we change goes to its log, what the log says is told. */
export class TableLog {
  readonly rows: Rows
  readonly #parts: TableParts
  readonly #reader: TableReader
  readonly #audience = new Audience()
  #isBehind = true
  #hasAppended = false
  #pending: Write[] = []
  #stored: { readonly n: number; readonly writes: readonly Write[] }[] = []
  #asked: Asked[] = []
  #claims: Step[] = []
  #toClean: Asked[] = []
  #isRunning = false
  #isClosed = false
  #fault: Error | undefined

  constructor(name: string, parts: TableParts) {
    this.#parts = parts
    this.rows = new Rows(parts.lasts)
    this.#reader = new TableReader(`/tables/${encodeURIComponent(name)}`, this.rows, parts, {
      tell: events => this.#tell(events),
      reached: n => this.#settle(n),
      forgotten: steps => this.#claims.push(...steps),
      stirred: () => this.#stirred()
    })
  }

  /** Whether the table was read to its end once. */
  get isLoaded(): boolean {
    return this.#reader.isLoaded
  }

  /** Why the table cannot be followed, a sentence for people; undefined: it can. */
  get fault(): string | undefined {
    return this.#fault === undefined ? undefined : reasonOf(this.#fault)
  }

  /** How many writes of ours are not stored yet. */
  get pending(): number {
    return this.#pending.length + this.#stored.length
  }

  /** Whether a session here has rows in it, watches it, or waits for a write. */
  get isNeeded(): boolean {
    if (this.pending + this.#asked.length + this.#audience.size > 0) return true
    for (const session of this.#parts.own) if (this.rows.owns(session)) return true
    return false
  }

  /** Resolves when it is stored, and those who listen here have heard of it. */
  write(step: Step): Promise<void> {
    return new Promise((done, failed) => {
      this.#pending.push({ step, done, failed })
      this.#wake()
    })
  }

  /** Resolves when what others had changed before is here; at once when nobody can say. */
  fresh(): Promise<void> {
    const isAway = !this.#parts.zk.connected || this.#fault !== undefined
    if (isAway && this.isLoaded) return Promise.resolve()
    return new Promise((done, failed) => {
      this.#asked.push({ done, failed })
      this.#wake()
    })
  }

  /** Takes out what nobody will see again, and the table itself when nothing is left. */
  clean(): Promise<void> {
    return new Promise((done, failed) => {
      this.#toClean.push({ done, failed })
      this.#wake()
    })
  }

  /** Adds a watcher: it is told what there is, then each change. */
  watch(watcher: TableWatcher): void {
    this.#audience.add(watcher)
    if (this.isLoaded && !this.#isRunning) this.#audience.admit(() => this.rows.shown())
    this.#wake()
  }

  /** Takes a watcher away: it is told nothing more. */
  unwatch(watcher: TableWatcher): void {
    this.#audience.remove(watcher)
  }

  /**
   * A connection is there again: changes that came meanwhile are read, and ours are tried again.
   */
  connected(isNewSession: boolean): Promise<void> {
    if (isNewSession) {
      this.#reader.renewed()
      // Others may have taken us for dead, and have made a base without our rows.
      for (const session of this.#parts.own) this.#claims.push(...this.rows.of(session))
    }
    this.#isBehind = true
    return this.fresh()
  }

  /** The session of an owner began or ended. */
  look(owner: string): void {
    if (this.rows.owns(owner)) this.#tell(this.rows.look(owner))
  }

  /** Stops permanently: the table is no longer followed, and writes that wait are refused. */
  close(): void {
    this.#isClosed = true
    this.#refuse(fail('STORE_UNAVAILABLE', { reason: 'it is closed' }))
    for (const { writes } of this.#stored) for (const { done } of writes) done()
    this.#audience.close()
    this.#reader.close()
  }

  /** Changes may be made again. */
  claimed(): void {
    this.#wake()
  }

  /** Another is what this process was: nothing of what was to be said here is. */
  fence(error: Error): void {
    this.#claims = []
    for (const { failed } of this.#pending.splice(0)) failed(error)
  }

  #tell(events: readonly TableEvent[]): void {
    if (events.length > 0) this.#audience.tell(events)
  }

  #stirred(): void {
    this.#isBehind = true
    this.#wake()
  }

  #refuse(error: Error): void {
    for (const { failed } of this.#asked.splice(0)) failed(error)
    for (const { failed } of this.#toClean.splice(0)) failed(error)
    for (const { failed } of this.#pending.splice(0)) failed(error)
  }

  #wake(): void {
    if (this.#isRunning || !this.#hasWork()) return
    this.#isRunning = true
    queueMicrotask(() => void this.#run())
  }

  #hasWork(): boolean {
    if (this.#isClosed || this.#fault !== undefined || !this.#parts.zk.connected) return false
    const writes = [this.#pending, this.#claims, this.#toClean]
    const waiting = this.#parts.mayWrite() ? [this.#asked, ...writes] : [this.#asked]
    return this.#isBehind || waiting.some(({ length }) => length > 0)
  }

  async #run(): Promise<void> {
    try {
      while (this.#hasWork()) await this.#turn()
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#isRunning = false
    }
    if (this.isLoaded) this.#audience.admit(() => this.rows.shown())
    if (this.#hasWork()) this.#parts.clock.after(RETRY_MS, () => this.#wake())
  }

  // Without a connection the next one goes on.  What somebody else has damaged is looked at again
  // after a while; what is here stays as it is.
  #failed(error: unknown): void {
    this.#isBehind = true
    if (isZooKeeperError(error) || this.#isClosed) return
    if (!isFailure(error)) throw error
    this.#fault = error
    this.#parts.counters.faults++
    this.#refuse(error)
    this.#parts.clock.after(FAULT_MS, () => {
      this.#fault = undefined
      this.#wake()
    })
  }

  async #turn(): Promise<void> {
    const asked = [...this.#asked]
    if (asked.length > 0 && this.isLoaded) await this.#parts.zk.sync()
    if (this.#isBehind || asked.length > 0) await this.#follow()
    this.#audience.admit(() => this.rows.shown())
    await this.#audience.heard()
    for (const { done } of asked) done()
    this.#asked = this.#asked.filter(each => !asked.includes(each))
    if (!this.#parts.mayWrite()) return
    await this.#claim()
    await this.#flush()
    if (this.#hasAppended) await this.#compact()
    if (this.#toClean.length > 0) await this.#clean()
  }

  #follow(): Promise<void> {
    this.#isBehind = false
    return this.#reader.follow()
  }

  // Those who listen have heard before who wrote goes on.
  #settle(reached = Infinity): void {
    const done = this.#stored.filter(({ n }) => n < reached).flatMap(({ writes }) => writes)
    if (done.length === 0) return
    this.#stored = this.#stored.filter(({ n }) => n >= reached)
    void this.#audience.heard().then(() => {
      for (const each of done) each.done()
    })
  }

  // --- our changes

  async #flush(): Promise<void> {
    const writes = this.#firstPending()
    if (writes.length === 0) return
    const n = await this.#append(writes.map(({ step }) => step))
    this.#pending.splice(0, writes.length)
    this.#stored.push({ n, writes })
    if (n < this.#reader.next) this.#settle(this.#reader.next)
    else await this.#follow()
  }

  #firstPending(): readonly Write[] {
    let bytes = 0
    let count = 0
    for (const { step } of this.#pending) {
      bytes += step.key.length + (step.value?.length ?? 0)
      if (count === STEPS_MAX || (count > 0 && bytes > BYTES_MAX)) break
      count++
    }
    return this.#pending.slice(0, count)
  }

  // What we own and nobody has refuted is there again, whatever was forgotten meanwhile: a change
  // that counts only if nobody else was faster.
  async #claim(): Promise<void> {
    while (this.#claims.length > 0) {
      const some = this.#claims.slice(0, STEPS_MAX)
      const steps = some.filter(step => this.#mayClaim(step))
      const at = this.#reader.next
      const n = steps.length === 0 ? at : await this.#append(steps, at)
      if (n === at) this.#claims.splice(0, some.length)
      if (steps.length > 0 && n >= this.#reader.next) await this.#follow()
    }
  }

  #mayClaim({ owner, key, value }: Step): boolean {
    if (!this.#parts.own.has(owner)) return false
    const seen = this.rows.get(key)
    return seen === undefined || seen === value
  }

  // Gives the number of the change.  Throws when nothing was done.
  async #append(steps: readonly Step[], at?: number): Promise<number> {
    const { zk, by, serial, counters, mayWrite } = this.#parts
    const change: TableChange = { by, serial: serial(), steps, at }
    const node = await toNode(zk, 0, toBlob(change))
    const reader = this.#reader
    for (;;) {
      if (!mayWrite()) throw new ZooKeeperError('SESSION_EXPIRED', reader.path)
      try {
        const n = await zk.append(reader.path, node)
        counters.changes++
        this.#hasAppended = true
        if (n === reader.next) reader.apply(change)
        return n
      } catch (error) {
        if (isZooKeeperError(error, 'NO_NODE')) await this.#make()
        else if (!isUnknown(error)) throw error
        else if (await this.#wasAppended(change)) return reader.next - 1
      }
    }
  }

  async #make(): Promise<void> {
    await this.#parts.zk.create(this.#reader.path, Buffer.alloc(0)).catch(error => {
      if (!isZooKeeperError(error, 'NODE_EXISTS')) throw error
    })
    await this.#follow()
  }

  // Requests of an earlier connection are not served after those of this one: what is not there
  // now does not come later.
  async #wasAppended(change: TableChange): Promise<boolean> {
    const { zk, counters } = this.#parts
    counters.unknown++
    for (;;) {
      if (this.#isClosed) throw fail('STORE_UNAVAILABLE', { reason: 'it is closed' })
      if (!(await zk.ready(READY_MS))) continue
      try {
        await zk.sync()
        await this.#follow()
        return this.#reader.has(change)
      } catch (error) {
        if (!isZooKeeperError(error)) throw error
      }
    }
  }

  async #compact(): Promise<void> {
    this.#hasAppended = false
    const { next, base } = this.#reader
    const many = Math.max(CHANGES_MAX, this.rows.size / ROWS_PER_CHANGE)
    if (next - base.n >= many) await this.#makeBase()
  }

  async #clean(): Promise<void> {
    const { zk, lasts, fresh } = this.#parts
    await this.#follow()
    await fresh()
    const { path, next, base } = this.#reader
    const hasGone = [...this.rows.owners].some(owner => owner !== SEED && !lasts(owner))
    const isEmpty = [...this.rows.lines()].length === 0
    if (base.birth !== '' && (hasGone || (isEmpty && next > base.n))) await this.#makeBase(0)
    if (isEmpty && base.birth !== '')
      await zk.remove(path, this.#reader.base.version).catch(error => {
        // Somebody has just written to it, or was faster.
        if (!isZooKeeperError(error, 'NOT_EMPTY', 'BAD_VERSION', 'NO_NODE')) throw error
      })
    for (const { done } of this.#toClean.splice(0)) done()
  }

  async #makeBase(behind?: number): Promise<void> {
    const { rows } = this
    const { path, next: n, base, last } = this.#reader
    const { zk, clock, by, serial, fresh, processes, counters } = this.#parts
    await fresh() // the sessions of all owners are known
    const alive = processes()
    const kept = [...last].filter(([process]) => alive.has(process))
    const id = `${by}.${serial()}@${n}`
    const { version } = base
    if (await compact({ zk, clock, path, id, n, version, last: kept, rows, behind })) {
      counters.bases++
      this.#reader.base = { ...base, n, version: version + 1 }
    } else this.#isBehind = true
  }
}
