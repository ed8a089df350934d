// What all sessions of one opened file in this process share: the connection, the one writer, the
// two feeds.  A commit of our own is told in the same turn (a microtask); another process's when
// the bell rings.

import type { Clock, Timer } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import { Pace } from '../../core/pace.ts'
import type { Random } from '../../core/random.ts'
import type { Model } from '../model.ts'
import { Kinds } from '../write/kinds.ts'
import { Bell } from './bell.ts'
import { Database, isDatabaseError } from './database.ts'
import { Entries } from './entries.ts'
import { EntryFeed } from './entry-feed.ts'
import { Leases } from './leases.ts'
import { ObjectFeed } from './object-feed.ts'
import { Objects } from './objects.ts'
import { Sessions } from './sessions.ts'
import { Transactions } from './transactions.ts'
import { Trimmer } from './trim.ts'

export interface HubOptions {
  readonly path: string
  readonly models: readonly Model[]
  readonly clock: Clock
  readonly random: Random
  /** Rows kept in each log; a watch that fell behind compares instead. */
  readonly logMax: number
  /** How long the entries of a session stand that died or left without closing. */
  readonly lingerMs: number
}

type AnyFollower = { load(pace: Pace): Promise<void> }

// Two at a time, so that a table of a hundred thousand does not hold up a port.
const LANES = 2
const RELOAD_MS = 500
// Telling goes on for so long before the event loop has a turn.
const LOOK_MS = 4
// Looks even without a bell, and for sessions that died; bounds both to about this long.
const TICK_MS = 1_000
// Without inotify (its watches can run out) looking is all there is.
const DEAF_TICK_MS = 40

export class Hub {
  readonly options: HubOptions
  readonly kinds: Kinds
  readonly database: Database
  readonly objects: Objects
  readonly entries: Entries
  readonly leases: Leases
  readonly sessions: Sessions
  readonly objectFeed: ObjectFeed
  readonly entryFeed: EntryFeed
  readonly #transactions: Transactions
  readonly #trimmer: Trimmer
  readonly #bell: Bell | undefined
  readonly #loads: AnyFollower[] = []
  #lanes = 0
  #looking = false
  #tick: Timer | undefined
  #closed = false

  constructor(options: HubOptions) {
    this.options = options
    this.kinds = new Kinds(options.models)
    this.database = new Database(options.path)
    this.objects = new Objects(this.database)
    this.entries = new Entries(this.database)
    this.leases = new Leases(this.database, options.random)
    this.sessions = new Sessions(this.database)
    this.#trimmer = new Trimmer(this.database, options.logMax)
    this.#transactions = new Transactions(this.database, options.clock, () => this.#committed())
    if (!this.database.inMemory) this.#bell = new Bell(options.path, () => this.look())
    this.objectFeed = new ObjectFeed(this.database, this.objects)
    this.entryFeed = new EntryFeed(this.database, this.entries)
    if (!this.database.inMemory) this.#arm()
  }

  get clock(): Clock {
    return this.options.clock
  }

  /** A job that changes the file, all of it or nothing. */
  transact<T>(job: () => T): Promise<T> {
    return this.#transactions.submit(() => {
      const result = job()
      this.#trimmer.trim(this.objects.head(), this.entries.head())
      return result
    })
  }

  /** Throws unless what is written now is kept, and found by who opens the file. */
  async tryWrite(): Promise<void> {
    const lost = this.database.lost()
    if (lost !== undefined) throw fail('STORE_UNAVAILABLE', { reason: lost })
    await this.transact(() => this.sessions.beat())
  }

  /** Looks for changes, soon and once. */
  look(): void {
    if (this.#looking || this.#closed) return
    this.#looking = true
    queueMicrotask(() => this.#catchUp())
  }

  /** Brings a watch up to date, in its turn. */
  load(follower: AnyFollower): void {
    this.#loads.push(follower)
    if (this.#lanes >= LANES) return
    this.#lanes++
    queueMicrotask(() => void this.#lane())
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#tick?.cancel()
    this.#bell?.close()
    this.#transactions.close()
    this.#loads.length = 0
    this.database.close()
  }

  #committed(): void {
    this.look()
    this.#bell?.ring()
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
    const lost = (follower: AnyFollower): void => this.load(follower)
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
      const follower = next
      try {
        if (!this.#closed) await follower.load(pace)
      } catch (error) {
        if (!isDatabaseError(error)) throw error
        this.#later(() => this.load(follower))
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
    const period = this.#bell?.deaf === true ? DEAF_TICK_MS : TICK_MS
    this.#tick = this.clock.after(period, () => {
      this.look()
      void this.reap().finally(() => {
        if (!this.#closed) this.#arm()
      })
    })
  }

  /** Ends the sessions of processes that died. */
  async reap(): Promise<void> {
    try {
      if (this.sessions.beatIsDue()) await this.transact(() => this.sessions.beat())
      for (const { id, forMs } of this.sessions.dead(this.clock.now()))
        if (forMs >= this.options.lingerMs) await this.vanish(id)
        else if (forMs === 0) await this.leave(id)
    } catch (error) {
      if (!isDatabaseError(error)) throw error // else the next tick tries again
    }
  }

  /** Ends a session whose entries stand for a while, so that its successor finds them. */
  async leave(session: string): Promise<void> {
    await this.transact(() => {
      this.sessions.bury(session)
      this.leases.abandon(session)
    })
    this.sessions.disown(session)
    if (this.#tick === undefined && !this.#closed) this.#arm()
  }

  /** Removes a session and all it owns.  In parts: a gateway may own a hundred thousand entries. */
  async vanish(session: string): Promise<void> {
    const pace = new Pace(this.clock)
    await this.transact(() => {
      this.sessions.bury(session)
      this.leases.forget(session)
    })
    while (await this.transact(() => this.entries.forget(session, 512))) await pace.breathe()
    await this.transact(() => this.sessions.remove(session))
  }
}
