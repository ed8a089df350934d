// The rows of replicated tables.  Each owner has at most one entry under a key.  What is seen is
// the newest entry of a session, or else the seed (owner ''), which any session's entry outranks.
// A put removes the entries of others that say otherwise: their claim is refuted, and must not
// come back when the refuter leaves.  Entries that agree stay, so nothing flaps when one goes.
// test/store/sqlite.test.ts holds it.

import type { TableEntry, TableEvent } from '../store.ts'
import type { Database } from './database.ts'
import { type Item, PAGE, type Source, STEPS, type Step } from './watch-cursor.ts'

/** The owner of an entry that stays when sessions end. */
export const SEED = ''

/** A change of an entry. */
export interface EntryLogRow {
  /** Counts the changes. */
  readonly n: number
  /** The table. */
  readonly tbl: string
  /** The key. */
  readonly key: string
  /** null: it was removed. */
  readonly value: string | null
  /** The session that wrote it; null: it was removed. */
  readonly owner: string | null
  /** Grows with every change of the entry; null: it was removed. */
  readonly version: number | null
}

type Row = TableEntry

const LOG_ROWS = 'SELECT n, tbl, key, value, owner, version FROM entry_log'

/** Entries of the shared tables, and the log of their changes. */
export class Entries {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Sets an owner's entry; nothing happens when it says so already. */
  put(table: string, key: string, owner: string, value: string): void {
    if (this.#own(table, key, owner) === value) return
    const refuted = `DELETE FROM entries
                     WHERE tbl = ? AND key = ? AND owner <> '' AND owner <> ? AND value <> ?`
    if (owner !== SEED) this.#database.run(refuted, table, key, owner, value)
    const put = `INSERT INTO entries (tbl, key, owner, version, value) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value`
    const n = this.head() + 1
    this.#database.run(put, table, key, owner, n, value)
    this.#log(n, table, key)
  }

  /** Removes an owner's entry, if it still has this value when one is given. */
  remove(table: string, key: string, owner: string, value: string | undefined): void {
    const own = this.#own(table, key, owner)
    if (own === undefined || (value !== undefined && own !== value)) return
    const sql = 'DELETE FROM entries WHERE tbl = ? AND key = ? AND owner = ?'
    this.#database.run(sql, table, key, owner)
    this.#log(this.head() + 1, table, key)
  }

  /** Removes up to `count` entries of an owner; false when there are no more. */
  forget(owner: string, count: number): boolean {
    const sql = 'SELECT tbl, key FROM entries WHERE owner = ? LIMIT ?'
    const rows = this.#database.all<{ tbl: string; key: string }>(sql, owner, count)
    for (const { tbl, key } of rows) this.remove(tbl, key, owner, undefined)
    return rows.length === count
  }

  /** At most PAGE entries as seen, in key order. */
  page(table: string, after: string): TableEntry[] {
    let from = after
    let seen: TableEntry[] = []
    while (seen.length < PAGE) {
      const rows = this.#rows(table, from)
      seen = seen.concat(rows.filter((row, i) => row.key !== (rows[i - 1]?.key ?? from)))
      if (rows.length < PAGE) break
      from = rows.at(-1)!.key
    }
    return seen.slice(0, PAGE)
  }

  /** The value that is seen. */
  get(table: string, key: string): string | undefined {
    const sql = `SELECT value FROM entries WHERE tbl = ? AND key = ?
                 ORDER BY owner = '', version DESC LIMIT 1`
    return this.#database.get<{ value: string }>(sql, table, key)?.value
  }

  /** The newest change's number; 0: none. */
  head(): number {
    const sql = 'SELECT max(n) AS n FROM entry_log'
    return this.#database.get<{ n: number | null }>(sql)?.n ?? 0
  }

  /** The oldest change that is still in the log; 0: none. */
  oldest(): number {
    const sql = 'SELECT min(n) AS n FROM entry_log'
    return this.#database.get<{ n: number | null }>(sql)?.n ?? 0
  }

  /** Changes behind this one, `count` at most. */
  log(position: number, count: number): EntryLogRow[] {
    return this.#database.all<EntryLogRow>(
      `${LOG_ROWS} WHERE n > ? ORDER BY n LIMIT ?`,
      position,
      count
    )
  }

  /** What a cursor over one table reads from. */
  source(table: string): Source<TableEvent> {
    const since = `${LOG_ROWS} WHERE n > ? AND tbl = ? ORDER BY n LIMIT ${STEPS}`
    return {
      read: job => this.#database.read(job),
      head: () => this.head(),
      oldest: () => this.oldest(),
      page: after => this.page(table, after).map(item),
      since: position => this.#database.all<EntryLogRow>(since, position, table).map(entryStep),
      gone: key => Object.freeze({ op: 'delete', key })
    }
  }

  // The winner of each key first.
  #rows(table: string, after: string): Row[] {
    const sql = `SELECT key, value, owner, version FROM entries WHERE tbl = ? AND key > ?
                 ORDER BY key, owner = '', version DESC LIMIT ${PAGE}`
    return this.#database.all<Row>(sql, table, after)
  }

  #own(table: string, key: string, owner: string): string | undefined {
    const sql = 'SELECT value FROM entries WHERE tbl = ? AND key = ? AND owner = ?'
    return this.#database.get<{ value: string }>(sql, table, key, owner)?.value
  }

  // Also when what is seen stays the same: each row number is the version of one change only.
  #log(n: number, table: string, key: string): void {
    const sql = `INSERT INTO entry_log (n, tbl, key, value, owner, version)
                 SELECT ?, ?, ?, e.value, e.owner, e.version FROM (SELECT 1) LEFT JOIN
                 (SELECT value, owner, version FROM entries WHERE tbl = ? AND key = ?
                  ORDER BY owner = '', version DESC LIMIT 1) e`
    this.#database.run(sql, n, table, key, table, key)
  }
}

/** A row of the log as a watch sees it. */
export function entryStep(row: EntryLogRow): Step<TableEvent> {
  const { n, key, value, owner, version } = row
  if (value === null || owner === null || version === null)
    return { n, write: 0, key, version: n, put: undefined }
  const event = Object.freeze({ op: 'put' as const, entry: { key, value, owner, version } })
  return { n, write: 0, key, version, put: () => event }
}

const item = (entry: TableEntry): Item<TableEvent> => ({
  key: entry.key,
  version: entry.version,
  event: () => Object.freeze({ op: 'put', entry })
})
