// Who hears of which replicated table. test/store/sqlite.test.ts holds it.

import type { TableEvent } from '../store.ts'
import type { Database } from './database.ts'
import { type Entries, type EntryLogRow, entryStep } from './entries.ts'
import type { WatchCursor } from './watch-cursor.ts'

type Watcher = WatchCursor<TableEvent>

// Rows read and told at a time: a burst of learned addresses is one call, not thousands.
const ROWS = 1024

/** Tells watchers of tables what has changed. */
export class EntryFeed {
  readonly #database: Database
  readonly #entries: Entries
  readonly #watchers = new Map<string, Set<Watcher>>()
  #position: number

  constructor(database: Database, entries: Entries) {
    this.#database = database
    this.#entries = entries
    this.#position = entries.head()
  }

  /** The watcher hears of this table. */
  add(watcher: Watcher, table: string): void {
    const set = this.#watchers.get(table)
    if (set === undefined) this.#watchers.set(table, new Set([watcher]))
    else set.add(watcher)
  }

  /** It does no more. */
  remove(watcher: Watcher, table: string): void {
    const set = this.#watchers.get(table)
    set?.delete(watcher)
    if (set?.size === 0) this.#watchers.delete(table)
  }

  /** Tells what is new; true when there is more.  `lost` gets those the log no longer serves. */
  catchUp(lost: (watcher: Watcher) => void): boolean {
    if (this.#watchers.size === 0) {
      this.#position = this.#entries.head()
      return false
    }
    const { rows, oldest } = this.#database.read(() => ({
      oldest: this.#entries.oldest(),
      rows: this.#entries.log(this.#position, ROWS)
    }))
    if (oldest > this.#position + 1) {
      this.#position = this.#entries.head()
      for (const set of this.#watchers.values()) for (const watcher of set) lost(watcher)
      return false
    }
    this.#position = rows.at(-1)?.n ?? this.#position
    this.#tell(rows)
    return rows.length === ROWS
  }

  #tell(rows: readonly EntryLogRow[]): void {
    for (const [table, own] of Map.groupBy(rows, row => row.tbl)) {
      const watchers = this.#watchers.get(table)
      if (watchers === undefined) continue
      const steps = own.map(entryStep)
      for (const watcher of [...watchers]) if (watcher.live) watcher.apply(steps)
    }
  }
}
