// The store on one machine: a SQLite file that several processes share, or memory that several
// sessions of one process share.  This file keeps the contract; the parts beside it do the work.
// test/store/sqlite.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import { sleep, within } from '../../core/clock.ts'
import { fail, isFailure } from '../../core/errors.ts'
import { Pace } from '../../core/pace.ts'
import { type Random, SystemRandom } from '../../core/random.ts'
import type { Model, ObjectId } from '../model.ts'
import type {
  Change,
  Interest,
  Lease,
  LeaseWish,
  ReplicatedTable,
  Store,
  StoreReport,
  Versioned,
  Watch,
  WatchEvent,
  WatchWish
} from '../store.ts'
import type { Index } from '../write/kinds.ts'
import { Write } from '../write/write.ts'
import { isBusy, MEMORY } from './database.ts'
import type { WatchedLease } from './leases.ts'
import { SqliteRecords } from './records.ts'
import { SharedDatabase } from './shared-database.ts'
import type { SessionTables } from './table.ts'
import { PAGE, WatchCursor } from './watch-cursor.ts'

/** What a session of a store on SQLite is opened with. */
export interface SqliteStoreOptions {
  /** The file; its directory is made when absent.  ':memory:' by default. */
  readonly path?: string
  readonly models: readonly Model[]
  readonly clock: Clock
  readonly random?: Random
  /** What the session is called in table entries, before a part made by chance. */
  readonly session?: string
  /** Rows kept in each log of changes. */
  readonly logMax?: number
  /** How long the entries of a session stand that died, or left; default 0. */
  readonly lingerMs?: number
}

const LOG_MAX = 50_000
// How long a session that closes waits for what it still had to write.
const CLOSE_MS = 10_000
const OPEN_TRIES = 50
const OPEN_RETRY_MS = 50

/** A session of its own on the file or, by `fork`, further ones on the same connection. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const { models, clock } = options
  const { path = MEMORY, random = new SystemRandom() } = options
  const { logMax = LOG_MAX, lingerMs = 0 } = options
  const all = { path, models, clock, random, logMax, lingerMs }
  const shared = await openShared(() => new SharedDatabase(all), clock)
  try {
    await shared.reap()
    return await newSession(shared, options.session ?? 'session')
  } catch (error) {
    await shared.close()
    throw error
  }
}

// Two processes that make the file at the same moment stand in each other's way for a moment.
async function openShared(open: () => SharedDatabase, clock: Clock): Promise<SharedDatabase> {
  for (let tries = 1; ; tries++)
    try {
      return open()
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined
      if (tries >= OPEN_TRIES || !isBusy(cause)) throw error
      await sleep(clock, OPEN_RETRY_MS)
    }
}

/** A session on a store that is open. */
export async function newSession(shared: SharedDatabase, label: string): Promise<SqliteStore> {
  const id = `${label}.${Buffer.from(shared.options.random.bytes(6)).toString('hex')}`
  await shared.transact(() => shared.sessions.add(id))
  return new SqliteStore(shared, id)
}

/** A session with a store in a SQLite file. */
export class SqliteStore implements Store {
  readonly session: string
  readonly #shared: SharedDatabase
  readonly #watches = new Set<Watch>()
  readonly #tables = new Map<string, ReplicatedTable>()
  readonly #ofSession: SessionTables
  readonly #leases = new Set<WatchedLease>()
  #closing: Promise<void> | undefined

  constructor(shared: SharedDatabase, session: string) {
    this.#shared = shared
    this.session = session
    this.#ofSession = shared.tablesOf(session)
  }

  /** Another session on the same connection; what this one writes it hears of in the same turn. */
  async fork(label = 'session'): Promise<SqliteStore> {
    this.#checkOpen()
    return newSession(this.#shared, label)
  }

  async read(kind: string, id: ObjectId): Promise<Versioned | undefined> {
    this.#checkOpen()
    await this.#shared.fresh()
    return this.known.read(kind, id)
  }

  async *list(kind: string, index?: Index): AsyncIterable<Versioned> {
    this.#checkOpen()
    this.#shared.kinds.check(kind, index)
    await this.#shared.fresh()
    yield* this.known.list(kind, index)
  }

  readonly known: Store['known'] = {
    read: async (kind, id) => {
      this.#checkOpen()
      this.#shared.kinds.check(kind, undefined)
      return this.#shared.objects.read(kind, id)
    },
    list: (kind, index) => this.#listKnown(kind, index),
    living: async sessions => {
      this.#checkOpen()
      const known = this.#shared.sessions
      return new Set([...new Set(sessions)].filter(session => known.lives(session)))
    }
  }

  async *#listKnown(kind: string, index?: Index): AsyncIterable<Versioned> {
    this.#checkOpen()
    const { kinds, objects, clock } = this.#shared
    kinds.check(kind, index)
    const pace = new Pace(clock)
    for (let after = ''; ; ) {
      const page = objects.page(kind, index, after)
      yield* page
      if (page.length < PAGE) return
      after = page.at(-1)!.id
      await pace.breathe()
      this.#checkOpen()
    }
  }

  async write(changes: readonly Change[]): Promise<number> {
    this.#checkOpen()
    const { database, kinds, objects } = this.#shared
    const records = new SqliteRecords(database, objects)
    return this.#shared.transact(() => new Write(records, kinds).run(changes))
  }

  report(): StoreReport {
    return this.#shared.report()
  }

  async tryWrite(): Promise<void> {
    this.#checkOpen()
    await this.#shared.tryWrite()
  }

  watch(
    interest: Exclude<Interest, { table: string }>,
    listener: (events: readonly WatchEvent[]) => void,
    { asKnown = false }: WatchWish = {}
  ): Watch {
    this.#checkOpen()
    const { kinds, objects, objectFeed } = this.#shared
    const { kind } = interest
    const index = 'field' in interest ? interest : undefined
    const id = 'id' in interest ? interest.id : undefined
    kinds.check(kind, index)
    const cursor = new WatchCursor(objects.source(kind, index, id), listener)
    const watch: Watch = {
      ready: cursor.ready,
      close: () => {
        if (!this.#watches.delete(watch)) return
        objectFeed.remove(cursor, kind, index, id)
        cursor.close()
      }
    }
    this.#watches.add(watch)
    objectFeed.add(cursor, kind, index, id)
    const isHere = id === undefined || objects.exists(kind, id)
    this.#shared.load(cursor, asKnown && isHere)
    return watch
  }

  table(name: string): ReplicatedTable {
    this.#checkOpen()
    let table = this.#tables.get(name)
    if (table === undefined) {
      table = this.#ofSession.table(name, this.#watches)
      this.#tables.set(name, table)
    }
    return table
  }

  async living(sessions: Iterable<string>): Promise<ReadonlySet<string>> {
    this.#checkOpen()
    await this.#shared.fresh()
    return this.known.living(sessions)
  }

  async lease(pool: string, blocks: number, wish: LeaseWish = {}): Promise<Lease | undefined> {
    this.#checkOpen()
    const { leases, sessions } = this.#shared
    const grant = await this.#shared.transact(() => {
      sessions.check(this.session)
      return leases.grant(this.session, pool, blocks, wish)
    })
    if (grant === undefined) return undefined
    const { promise: lost, resolve } = Promise.withResolvers<void>()
    const ended = (): void => {
      this.#leases.delete(held)
      resolve()
    }
    const { guards = false } = wish
    const held = { session: this.session, pool, ...grant, guards, lost: ended }
    this.#leases.add(held)
    this.#shared.leaseWatch.add(held)
    const release = async (): Promise<void> => {
      if (this.#closing !== undefined) return // it went with the session
      this.#leases.delete(held)
      this.#shared.leaseWatch.remove(held)
      await this.#shared.transact(() => leases.release(this.session, pool, grant))
    }
    return Object.freeze({ pool, ...grant, lost, release })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(() => this.#shared.expire(this.session))
    return this.#closing
  }

  leave(): Promise<void> {
    this.#closing ??= this.#close(() => this.#shared.leave(this.session))
    return this.#closing
  }

  async #close(end: () => Promise<void>): Promise<void> {
    for (const watch of this.#watches) watch.close()
    for (const held of this.#leases) this.#shared.leaseWatch.remove(held)
    const { clock, sessions, isReplica } = this.#shared
    try {
      await within(clock, CLOSE_MS, this.#ofSession.idle())
      await end()
    } catch (error) {
      // The others see that we are gone, and end what was ours.
      if (!isReplica || !isFailure(error, 'STORE_UNAVAILABLE')) throw error
    } finally {
      sessions.disown(this.session)
      if (this.#shared.sessions.own.size === 0) await this.#shared.close()
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined)
      throw fail('STORE_UNAVAILABLE', { reason: `session ${this.session} is closed` })
  }
}
