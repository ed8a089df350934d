// Objects as they are read: one, a page of a kind or of an index, and the log of changes.
// test/store/sqlite.test.ts holds it.

import type { ObjectId, Stored } from '../model.ts'
import type { Versioned, WatchEvent } from '../store.ts'
import { CHANGES_MAX } from '../write/drafts.ts'
import { type Indexed, texts } from '../write/indexing.ts'
import type { Index } from '../write/kinds.ts'
import type { Database } from './database.ts'
import { type Item, PAGE, type Source, STEPS, type Step } from './watch-cursor.ts'

/** A change of an object. */
export interface ObjectLogRow {
  /** Counts the changes. */
  readonly n: number
  /** Changes of one write have the same. */
  readonly write: number
  /** The kind. */
  readonly kind: string
  readonly id: string
  /** The object as JSON; null: there was none. */
  readonly before: string | null
  /** The object as JSON; null: it was deleted. */
  readonly value: string | null
}

interface ObjectRow {
  readonly id: string
  readonly version: number
  readonly value: string
}

const LOG_ROWS = 'SELECT n, write, kind, id, before, value FROM object_log'

/** Objects, their fields by index, and the log of their changes. */
export class Objects {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The object; undefined: there is none. */
  read(kind: string, id: ObjectId): Versioned | undefined {
    const row = this.#row(kind, id)
    return row === undefined ? undefined : versioned(kind, row)
  }

  /** Whether there is such an object. */
  exists(kind: string, id: ObjectId): boolean {
    const sql = 'SELECT 1 FROM objects WHERE kind = ? AND id = ?'
    return this.#database.get(sql, kind, id) !== undefined
  }

  /** Objects behind this id, ascending, PAGE at most. */
  page(kind: string, index: Index | undefined, after: string): Versioned[] {
    return this.#page(kind, index, after).map(row => versioned(kind, row))
  }

  /** The newest change's number; 0: none. */
  head(): number {
    const sql = 'SELECT max(n) AS n FROM object_log'
    return this.#database.get<{ n: number | null }>(sql)?.n ?? 0
  }

  /** The oldest change that is still in the log; 0: none. */
  oldest(): number {
    const sql = 'SELECT min(n) AS n FROM object_log'
    return this.#database.get<{ n: number | null }>(sql)?.n ?? 0
  }

  /** Rows of the log after `position`: whole writes, about `count` rows. */
  log(position: number, count: number): ObjectLogRow[] {
    const rows = this.#logTo(position, position + count)
    const last = rows.at(-1)
    if (last === undefined || last.n < position + count) return rows
    const rest = `${LOG_ROWS} WHERE n > ? AND n < ? AND write = ? ORDER BY n`
    const { n, write } = last
    return rows.concat(this.#database.all<ObjectLogRow>(rest, n, write + CHANGES_MAX, write))
  }

  /** What a cursor over these objects reads from. */
  source(kind: string, index: Index | undefined, id: ObjectId | undefined): Source<WatchEvent> {
    const page = (after: string): Item<WatchEvent>[] => {
      if (id === undefined) return this.#page(kind, index, after).map(row => item(kind, row))
      const row = after === '' ? this.#row(kind, id) : undefined
      return row === undefined ? [] : [item(kind, row)]
    }
    return {
      page,
      read: job => this.#database.read(job),
      head: () => this.head(),
      oldest: () => this.oldest(),
      since: position => this.#since(position, kind, id).map(row => stepOf(row, index)),
      gone: key => Object.freeze({ op: 'delete', kind, id: key })
    }
  }

  #row(kind: string, id: string): ObjectRow | undefined {
    const sql = 'SELECT id, version, value FROM objects WHERE kind = ? AND id = ?'
    return this.#database.get<ObjectRow>(sql, kind, id)
  }

  #page(kind: string, index: Index | undefined, after: string): ObjectRow[] {
    if (index === undefined) {
      const all = `SELECT id, version, value FROM objects WHERE kind = ? AND id > ?
                   ORDER BY id LIMIT ${PAGE}`
      return this.#database.all<ObjectRow>(all, kind, after)
    }
    const some = `SELECT o.id, o.version, o.value FROM fields f
                  JOIN objects o ON o.kind = f.kind AND o.id = f.id
                  WHERE f.kind = ? AND f.field = ? AND f.value = ? AND f.id > ?
                  ORDER BY f.id LIMIT ${PAGE}`
    return this.#database.all<ObjectRow>(some, kind, index.field, index.value, after)
  }

  #logTo(position: number, last: number): ObjectLogRow[] {
    const sql = `${LOG_ROWS} WHERE n > ? AND n <= ? ORDER BY n`
    return this.#database.all<ObjectLogRow>(sql, position, last)
  }

  #since(position: number, kind: string, id: ObjectId | undefined): ObjectLogRow[] {
    if (id !== undefined) {
      const one = `${LOG_ROWS} WHERE n > ? AND kind = ? AND id = ? ORDER BY n LIMIT ${STEPS}`
      return this.#database.all<ObjectLogRow>(one, position, kind, id)
    }
    const all = `${LOG_ROWS} WHERE n > ? AND kind = ? ORDER BY n LIMIT ${STEPS}`
    const rows = this.#database.all<ObjectLogRow>(all, position, kind)
    const last = rows.at(-1)
    if (last === undefined || rows.length < STEPS) return rows
    const rest = `${LOG_ROWS} WHERE n > ? AND n < ? AND kind = ? AND write = ? ORDER BY n`
    const { n, write } = last
    return rows.concat(this.#database.all<ObjectLogRow>(rest, n, write + CHANGES_MAX, kind, write))
  }
}

/** A row of the log as a watch of this index sees it: an object that left the set is gone. */
export function stepOf(row: ObjectLogRow, index: Index | undefined): Step<WatchEvent> {
  const { n, write, kind, id, value } = row
  const object = value === null ? undefined : versioned(kind, { id, version: write, value })
  const inside = object !== undefined && (index === undefined || selected(object.value, index))
  const event = inside ? Object.freeze({ op: 'put' as const, object }) : undefined
  return { n, write, key: id, version: write, put: event === undefined ? undefined : () => event }
}

/** The indexed fields before the change. */
export const beforeOf = (row: ObjectLogRow): Indexed =>
  row.before === null ? {} : (JSON.parse(row.before) as Indexed)

const selected = (value: Stored, index: Index): boolean =>
  texts(value[index.field]).includes(index.value)

const item = (kind: string, row: ObjectRow): Item<WatchEvent> => ({
  key: row.id,
  version: row.version,
  event: () => Object.freeze({ op: 'put', object: versioned(kind, row) })
})

const versioned = (kind: string, row: ObjectRow): Versioned =>
  Object.freeze({
    kind,
    id: row.id,
    version: row.version,
    value: Object.freeze(JSON.parse(row.value)) as Stored
  })
