// A session's door to the replicated tables.  Puts of one turn are gathered and stored in batches,
// one transaction each: learning ten thousand addresses a second costs a few per cent of a core.
// test/store/sqlite.test.ts holds it.

import { fail, show } from '../../core/errors.ts'
import { Pace } from '../../core/pace.ts'
import type { ReplicatedTable, TableEntry, TableEvent, Watch } from '../store.ts'
import { SEED } from './entries.ts'
import type { SharedDatabase } from './shared-database.ts'
import { PAGE, WatchCursor } from './watch-cursor.ts'

/** What a session has of the tables: of those in its file, or of those that machines share. */
export interface SessionTables {
  /** `watches` are those of the session; each adds itself, and goes when it is closed. */
  table(name: string, watches: Set<Watch>): ReplicatedTable
  /** Resolves when all that was asked for is stored. */
  idle(): Promise<void>
}

interface Operation {
  readonly run: () => void
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

const BATCH = 256
const PENDING_MAX = 262_144
const NAME_LENGTH_MAX = 255
const KEY_LENGTH_MAX = 255
const VALUE_LENGTH_MAX = 4_096

/** The operations of one session on any table, in the order they were asked for. */
class TableQueue {
  readonly #shared: SharedDatabase
  readonly #session: string
  #pending: Operation[] = []
  #busy: Promise<void> | undefined

  constructor(shared: SharedDatabase, session: string) {
    this.#shared = shared
    this.#session = session
  }

  add(run: () => void): Promise<void> {
    return new Promise((done, failed) => {
      if (this.#pending.length >= PENDING_MAX)
        throw fail('LIMIT', { what: 'the queue of table entries to store', limit: PENDING_MAX })
      this.#pending.push({ run, done, failed })
      this.#busy ??= Promise.resolve().then(() => this.#flush())
    })
  }

  /** Resolves when all that was asked for is stored. */
  async idle(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy
  }

  async #flush(): Promise<void> {
    const pace = new Pace(this.#shared.clock)
    while (this.#pending.length > 0) {
      const all = this.#pending
      this.#pending = []
      for (let at = 0; at < all.length; at += BATCH) {
        await this.#store(all.slice(at, at + BATCH))
        await pace.breathe()
      }
    }
    this.#busy = undefined
  }

  async #store(batch: readonly Operation[]): Promise<void> {
    try {
      await this.#shared.transact(() => {
        this.#shared.sessions.check(this.#session)
        for (const operation of batch) operation.run()
      }, true)
      for (const { done } of batch) done()
    } catch (error) {
      for (const { failed } of batch) failed(error)
    }
  }
}

/** The tables of the file, for a session. */
export function sqliteTables(shared: SharedDatabase, session: string): SessionTables {
  const queue = new TableQueue(shared, session)
  return {
    table: (name, watches) => new SqliteTable(shared, session, name, queue, watches),
    idle: () => queue.idle()
  }
}

class SqliteTable implements ReplicatedTable {
  readonly name: string
  readonly #shared: SharedDatabase
  readonly #session: string
  readonly #queue: TableQueue
  readonly #watches: Set<Watch>

  constructor(
    shared: SharedDatabase,
    session: string,
    name: string,
    queue: TableQueue,
    watches: Set<Watch>
  ) {
    checkTableName(name)
    this.#shared = shared
    this.#session = session
    this.name = name
    this.#queue = queue
    this.#watches = watches
  }

  async put(key: string, value: string): Promise<void> {
    checkEntry(key, value)
    await this.#queue.add(() => this.#shared.entries.put(this.name, key, this.#session, value))
  }

  async seed(key: string, value: string): Promise<void> {
    checkEntry(key, value)
    await this.#queue.add(() => this.#shared.entries.put(this.name, key, SEED, value))
  }

  async remove(key: string, value?: string): Promise<void> {
    await this.#queue.add(() => this.#shared.entries.remove(this.name, key, this.#session, value))
  }

  async unseed(key: string): Promise<void> {
    await this.#queue.add(() => this.#shared.entries.remove(this.name, key, SEED, undefined))
  }

  async entries(): Promise<TableEntry[]> {
    await this.#shared.fresh()
    const pace = new Pace(this.#shared.clock)
    const all: TableEntry[] = []
    for (;;) {
      const page = this.#shared.entries.page(this.name, all.at(-1)?.key ?? '')
      for (const entry of page) all.push(Object.freeze({ ...entry }))
      if (page.length < PAGE) return all
      await pace.breathe()
    }
  }

  async get(key: string): Promise<string | undefined> {
    await this.#shared.fresh()
    return this.#shared.entries.get(this.name, key)
  }

  watch(listener: (events: readonly TableEvent[]) => void): Watch {
    const { entries, entryFeed } = this.#shared
    const cursor = new WatchCursor(entries.source(this.name), listener)
    const watch: Watch = {
      ready: cursor.ready,
      close: () => {
        if (!this.#watches.delete(watch)) return
        entryFeed.remove(cursor, this.name)
        cursor.close()
      }
    }
    this.#watches.add(watch)
    entryFeed.add(cursor, this.name)
    this.#shared.load(cursor)
    return watch
  }
}

/** Throws INVALID for a name that no table may have. */
export const checkTableName = (name: string): void => checkText('table name', name, NAME_LENGTH_MAX)

/** Throws INVALID for a key or value that no table takes. */
export function checkEntry(key: string, value: string): void {
  checkText('key of a table', key, KEY_LENGTH_MAX)
  if (typeof value !== 'string' || value.length > VALUE_LENGTH_MAX)
    throw fail('INVALID', {
      field: 'value of a table entry',
      value: show(value),
      expected: `text of at most ${VALUE_LENGTH_MAX} characters`
    })
}

function checkText(field: string, text: string, max: number): void {
  if (typeof text === 'string' && text.length > 0 && text.length <= max) return
  throw fail('INVALID', { field, value: show(text), expected: `text of 1 to ${max} characters` })
}
