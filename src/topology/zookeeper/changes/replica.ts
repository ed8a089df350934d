// The copy of a store that each process has: a SQLite file of its own, with the number of the last
// change in it.  Changes come as changesets, rows before and after; one that does not fit what is
// here shows that the copy has gone astray, and a base takes its place.
// test/zookeeper/contract.test.ts holds it.

import { fail } from '../../../core/errors.ts'
import type { Database } from '../../sqlite/database.ts'
import { load } from './base.ts'

// One row.  `process` is the last that had it: it is dead, for only one may have it open.
const TABLE = `CREATE TABLE IF NOT EXISTS replica (
  store TEXT NOT NULL, n INTEGER NOT NULL, process TEXT NOT NULL
)`

/** This machine's copy of the store, kept at a change of the log. */
export class Replica {
  readonly #database: Database
  readonly #trim: () => void
  #n: number
  #store: string

  constructor(database: Database, trim: () => void) {
    this.#database = database
    this.#trim = trim
    database.define(TABLE)
    const row = database.get<{ store: string; n: number }>('SELECT store, n FROM replica')
    this.#store = row?.store ?? ''
    this.#n = row?.n ?? 0
  }

  /** Number of the last change that the copy includes. */
  get n(): number {
    return this.#n
  }

  /** The store it is a copy of; empty when it is none yet. */
  get store(): string {
    return this.#store
  }

  /** Makes it a copy of this store (its id): emptied when it was one of another. */
  belong(store: string): void {
    if (this.#store === store) return
    this.#database.write(() => {
      load(this.#database, new Uint8Array())
      this.#database.run('DELETE FROM replica')
      this.#database.run("INSERT INTO replica (store, n, process) VALUES (?, 0, '')", store)
    })
    this.#store = store
    this.#n = 0
  }

  /** Notes that this process has the copy; gives the process that had it before, if any. */
  succeed(process: string): string | undefined {
    const sql = 'SELECT process FROM replica'
    const before = this.#database.get<{ process: string }>(sql)?.process
    this.#database.run('UPDATE replica SET process = ?', process)
    return before === '' ? undefined : before
  }

  /** Applies change n, a changeset; false when it does not fit: the copy has gone astray. */
  apply(n: number, changes: Uint8Array): boolean {
    if (n !== this.#n + 1)
      throw fail('STORE_FILE', { path: `/log/${n}`, reason: `it comes after ${this.#n}` })
    const fits = this.#database.write(() => {
      const done = this.#database.apply(changes)
      if (done) this.#database.run('UPDATE replica SET n = ?', n)
      return done
    })
    if (fits) this.#n = n
    if (fits) this.#database.write(this.#trim)
    return fits
  }

  /** Replaces the copy by a base: everything as it was after change n. */
  restore(n: number, bytes: Uint8Array): void {
    this.#database.write(() => {
      load(this.#database, bytes)
      this.#database.run('UPDATE replica SET n = ?', n)
    })
    this.#n = n
  }
}
