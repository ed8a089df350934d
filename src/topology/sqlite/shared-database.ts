// What all sessions of one opened file in this process share: the connection, the one writer, the
// two feeds.  A commit of our own is told in the same turn (a microtask); another process's when
// the notifier tells. test/store/processes.test.ts holds it.

import type { Clock, Timer } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import { Pace } from '../../core/pace.ts'
import type { Random } from '../../core/random.ts'
import type { Model } from '../model.ts'
import type { StoreReport } from '../store.ts'
import { Kinds } from '../write/kinds.ts'
import { ChangeNotifier } from './change-notifier.ts'
import { Database, isDatabaseError } from './database.ts'
import { Entries } from './entries.ts'
import { EntryFeed } from './entry-feed.ts'
import { Leases, LeaseWatch } from './leases.ts'
import { ObjectFeed } from './object-feed.ts'
import { Objects } from './objects.ts'
import { type Liveness, ProcessLiveness, Sessions } from './sessions.ts'
import { type SessionTables, sqliteTables } from './table.ts'
import { type Commits, Transactions } from './transactions.ts'
import { Trimmer } from './trim.ts'

/** What an opened file is made of. */
export interface SharedDatabaseOptions {
  /** Of the file, or MEMORY. */
  readonly path: string
  readonly models: readonly Model[]
  readonly clock: Clock
  readonly random: Random
  /** Rows kept in each log; a watch that fell behind compares instead. */
  readonly logMax: number
  /** How long the entries of a session stand that died or left without closing. */
  readonly lingerMs: number
  /** Tells which processes are alive; those of this machine without. */
  readonly liveness?: Liveness
  /** Makes changes last together with others; in this file alone without. */
  readonly commits?: (file: SharedFile) => Commits
  /** Where a session's tables are; in this file without. */
  readonly tablesOf?: (session: string) => SessionTables
  /** How it is; as any file is without. */
  readonly report?: () => StoreReport
}

/** What a writer with others needs of the file. */
export interface SharedFile {
  readonly database: Database
  readonly clock: Clock
  readonly sessions: Sessions
  /** Cuts the logs of changes at their old end. */
  readonly trim: () => void
  /** Something has changed: watches are told. */
  readonly committed: () => void
  readonly leaseWatch: LeaseWatch
}

type AnyCursor = { load(pace: Pace): Promise<void> }

// Two at a time, so that a table of a hundred thousand does not hold up a port.
const LANES = 2
const RELOAD_MS = 500
// Telling goes on for so long before the event loop has a turn.
const LOOK_MS = 4
// Looks even without a notice, and for sessions that died; bounds both to about this long.
const TICK_MS = 1_000
// Without inotify (its watches can run out) looking is all there is.
const DEAF_TICK_MS = 40

/** What all sessions of one opened file in this process share. */
export class SharedDatabase {
  readonly options: SharedDatabaseOptions
  readonly kinds: Kinds
  readonly database: Database
  readonly objects: Objects
  readonly entries: Entries
  readonly leases: Leases
  readonly leaseWatch: LeaseWatch
  readonly sessions: Sessions
  readonly objectFeed: ObjectFeed
  readonly entryFeed: EntryFeed
  readonly #commits: Commits
  readonly #trimmer: Trimmer
  readonly #notifier: ChangeNotifier | undefined
  readonly #loads: AnyCursor[] = []
  #lanes = 0
  #looking = false
  #tick: Timer | undefined
  #closed = false

  constructor(options: SharedDatabaseOptions) {
    this.options = options
    this.kinds = new Kinds(options.models)
    this.database = new Database(options.path, options.commits !== undefined)
    this.objects = new Objects(this.database)
    this.entries = new Entries(this.database)
    this.leases = new Leases(this.database, options.random)
    this.leaseWatch = new LeaseWatch(this.database)
    this.sessions = new Sessions(this.database, options.liveness ?? new ProcessLiveness())
    this.#trimmer = new Trimmer(this.database, options.logMax)
    const { database, sessions, leaseWatch } = this
    const { clock } = options
    const trim = (): void => this.#trimmer.trim(this.objects.head(), this.entries.head())
    const committed = (): void => this.#committed()
    this.#commits =
      options.commits?.({ database, clock, sessions, trim, committed, leaseWatch }) ??
      new Transactions(database, clock, trim, committed)
    const isShared = options.commits === undefined && !this.database.inMemory
    if (isShared) this.#notifier = new ChangeNotifier(options.path, () => this.look())
    this.objectFeed = new ObjectFeed(this.database, this.objects)
    this.entryFeed = new EntryFeed(this.database, this.entries)
    if (isShared || options.commits !== undefined) this.#arm()
  }

  /** The file is a copy of what others have too. */
  get isReplica(): boolean {
    return this.options.commits !== undefined
  }

  /** The replicated tables, as a session has them. */
  tablesOf(session: string): SessionTables {
    return this.options.tablesOf?.(session) ?? sqliteTables(this, session)
  }

  /** The process's time. */
  get clock(): Clock {
    return this.options.clock
  }

  /** A job that changes the file, all of it or nothing; see `Commits`. */
  transact<T>(job: () => T, isPatient = false): Promise<T> {
    return this.#commits.submit(job, isPatient)
  }

  /** What others had changed before is here. */
  async fresh(): Promise<void> {
    await this.#commits.fresh?.()
  }

  /** Throws unless what is written now is kept, and found by who opens the file. */
  async tryWrite(): Promise<void> {
    const lost = this.database.lost()
    if (lost !== undefined) throw fail('STORE_UNAVAILABLE', { reason: lost })
    if (this.#commits.check === undefined) await this.transact(() => this.sessions.beat())
    else await this.#commits.check()
  }

  /** How the store is, for operators. */
  report(): StoreReport {
    const fault = this.#closed ? 'it is closed' : this.database.lost()
    return (
      this.options.report?.() ?? {
        ...{ kind: 'sqlite', where: this.options.path, fault, lastError: fault },
        state: fault === undefined ? 'connected' : 'halted',
        ...{
          session: undefined,
          sessionMs: undefined,
          awayMs: 0,
          lagMs: 0,
          counters: {},
          gauges: {}
        },
        change: this.#closed ? 0 : this.objects.head()
      }
    )
  }

  /** Looks for changes, soon and once. */
  look(): void {
    if (this.#looking || this.#closed) return
    this.#looking = true
    queueMicrotask(() => this.#catchUp())
  }

  /** Brings a watch up to date, in its turn; `asKnown`: with what is here, if it was all once. */
  load(cursor: AnyCursor, asKnown = false): void {
    const isEnough = asKnown && this.#commits.wasFresh === true
    const fresh = isEnough ? undefined : this.#commits.fresh?.()
    if (fresh === undefined) this.#enqueue(cursor)
    else void fresh.then(() => this.#enqueue(cursor))
  }

  #enqueue(cursor: AnyCursor): void {
    this.#loads.push(cursor)
    if (this.#lanes >= LANES) return
    this.#lanes++
    queueMicrotask(() => void this.#lane())
  }

  /** Resolves when all is written and the file closed. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#tick?.cancel()
    this.#notifier?.close()
    await this.#commits.close()
    this.#loads.length = 0
    this.database.close()
  }

  #committed(): void {
    this.look()
    this.#notifier?.notify()
  }

  #catchUp(): void {
    this.#looking = false
    const begin = this.clock.now()
    let more = !this.#closed
    while (more && this.clock.now() - begin < LOOK_MS) more = this.#tellSome()
    if (!more || this.#looking) return
    this.#looking = true
    this.clock.soon(() => this.#catchUp())
  }

  // True when there is more to tell.
  #tellSome(): boolean {
    if (this.#closed) return false
    const lost = (cursor: AnyCursor): void => this.load(cursor)
    try {
      const objects = this.objectFeed.catchUp(lost)
      return this.entryFeed.catchUp(lost) || objects
    } catch (error) {
      if (!isDatabaseError(error)) throw error
      this.#later(() => this.look()) // busy, or the disk is away: the position has not moved
      return false
    }
  }

  async #lane(): Promise<void> {
    const pace = new Pace(this.clock)
    for (let next = this.#loads.shift(); next !== undefined; next = this.#loads.shift()) {
      const cursor = next
      try {
        if (!this.#closed) await cursor.load(pace)
      } catch (error) {
        if (!isDatabaseError(error)) throw error
        this.#later(() => this.load(cursor))
      }
      await pace.breathe()
    }
    this.#lanes--
  }

  #later(job: () => void): void {
    this.clock.after(RELOAD_MS, () => {
      if (!this.#closed) job()
    })
  }

  #arm(): void {
    const period = this.#notifier?.deaf === true ? DEAF_TICK_MS : TICK_MS
    this.#tick = this.clock.after(period, () => {
      this.look()
      if (!this.isReplica) this.#lookAtLeases()
      void this.reap().finally(() => {
        if (!this.#closed) this.#arm()
      })
    })
  }

  #lookAtLeases(): void {
    try {
      this.leaseWatch.look()
    } catch (error) {
      if (!isDatabaseError(error)) throw error // else the next tick tries again
    }
  }

  /** Ends the sessions of processes that died. */
  async reap(): Promise<void> {
    try {
      if (this.sessions.beatIsDue()) await this.transact(() => this.sessions.beat())
      for (const { id, beat, isMarked, forMs } of await this.sessions.dead(this.clock.now()))
        if (forMs >= this.options.lingerMs) await this.expire(id, beat)
        else if (!isMarked) await this.leave(id, beat)
    } catch (error) {
      if (!isDatabaseError(error)) throw error // else the next tick tries again
    }
  }

  /**
   * Ends a session whose entries stand for a while, so that its successor finds them.  With a beat:
   * unless it has been heard of since: it may have come back while it was judged.
   */
  async leave(session: string, beat?: number): Promise<void> {
    await this.transact(() => {
      if (this.sessions.markDead(session, beat)) this.leases.abandon(session)
    })
    if (beat !== undefined) return
    this.sessions.disown(session)
    if (this.#tick === undefined && !this.#closed) this.#arm()
  }

  /** Removes a session and all it owns.  In parts: a gateway may own a hundred thousand entries. */
  async expire(session: string, beat?: number): Promise<void> {
    const pace = new Pace(this.clock)
    const hasEnded = await this.transact(() => {
      const isDead = this.sessions.markDead(session, beat)
      if (isDead) this.leases.forget(session)
      return isDead
    })
    if (!hasEnded) return
    while (await this.transact(() => this.entries.forget(session, 512))) await pace.breathe()
    await this.transact(() => this.sessions.remove(session))
  }
}
