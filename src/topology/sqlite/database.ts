// The SQLite file: opened, recognised or made, and spoken to through cached statements.  WAL lets
// readers and one writer of several processes go on side by side; synchronous=NORMAL means that a
// power cut may lose the last writes but never tears one. test/store/sqlite.test.ts holds it.

import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { fail, isFailure, reasonOf } from '../../core/errors.ts'
import { APPLICATION_ID, MIGRATIONS, SCHEMA, SCHEMA_VERSION } from './schema.ts'

/** The path of a database without a file. */
export const MEMORY = ':memory:'

// SQLite waits for another writer within the call, which stalls the event loop: so it waits
// little, and whoever must wait longer does so on a timer (see `Transactions`).
const BUSY_MS = 2
// Opening may meet another process that makes the same file at the same moment.
const OPEN_BUSY_MS = 5_000

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_NOTADB = 26

/** A SQLite file with its statements, each prepared once. */
export class Database {
  /** Of the file, or MEMORY. */
  readonly path: string
  readonly #handle: DatabaseSync
  readonly #file: string | undefined // undefined: memory
  readonly #statements = new Map<string, StatementSync>()

  /** `isOurs`: no other process may open it meanwhile. */
  constructor(path: string, isOurs = false) {
    this.path = path
    if (path !== MEMORY) createPrivate(path)
    this.#handle = new DatabaseSync(path, { timeout: OPEN_BUSY_MS })
    try {
      if (isOurs) this.#handle.exec('PRAGMA locking_mode = EXCLUSIVE')
      this.#recognise()
      this.#handle.exec(`PRAGMA busy_timeout = ${BUSY_MS}`)
    } catch (error) {
      this.#handle.close()
      throw unusable(path, error)
    }
    this.#file = path === MEMORY ? undefined : identityOf(path)
  }

  /** What has become of the file while it was open; undefined: it is where it was. */
  lost(): string | undefined {
    if (this.#file === undefined) return undefined
    const now = identityOf(this.path)
    if (now === undefined)
      return `its file ${this.path} was deleted; writes go to what nobody finds`
    if (now === this.#file) return undefined
    return `another file has taken the place of ${this.path}; writes go to what nobody finds`
  }

  /** Whether it has no file. */
  get inMemory(): boolean {
    return this.path === MEMORY
  }

  /** The first row; undefined: none. */
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values) as Row | undefined
  }

  /** All rows. */
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[]
  }

  /** Gives how many rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes)
  }

  /** Several reads of one moment. */
  read<T>(job: () => T): T {
    return this.#within('BEGIN', job)
  }

  /** All of the job or nothing of it.  Throws what `isBusy` knows while another one writes. */
  write<T>(job: () => T): T {
    return this.#within('BEGIN IMMEDIATE', job)
  }

  /** What a job would change, as a changeset, and what it gives; the file stays as it was. */
  dryRun<T>(job: () => T): { readonly result: T; readonly changes: Uint8Array } {
    this.#prepared('BEGIN IMMEDIATE').run()
    const session = this.#handle.createSession()
    try {
      const result = job()
      return { result, changes: session.changeset() }
    } finally {
      session.close()
      if (this.#handle.isTransaction) this.#prepared('ROLLBACK').run()
    }
  }

  /** Within a transaction: a job that leaves no trace when it throws. */
  attempt<T>(job: () => T): T {
    this.#prepared('SAVEPOINT attempt').run()
    try {
      return job()
    } catch (error) {
      this.#prepared('ROLLBACK TO attempt').run()
      throw error
    } finally {
      this.#prepared('RELEASE attempt').run()
    }
  }

  /** Takes over what was tried; false, and nothing done, when it does not fit what is here. */
  apply(changes: Uint8Array): boolean {
    return this.#handle.applyChangeset(changes)
  }

  /** Statements of a schema. */
  define(sql: string): void {
    this.#handle.exec(sql)
  }

  /** Closes the file. */
  close(): void {
    this.#statements.clear()
    this.#handle.close()
  }

  #within<T>(begin: string, job: () => T): T {
    this.#prepared(begin).run()
    try {
      const result = job()
      this.#prepared('COMMIT').run()
      return result
    } catch (error) {
      if (this.#handle.isTransaction) this.#prepared('ROLLBACK').run()
      throw error
    }
  }

  #prepared(sql: string): StatementSync {
    if (!this.#handle.isOpen) throw fail('STORE_UNAVAILABLE', { reason: 'it is closed' })
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#handle.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #recognise(): void {
    // Of one moment: another process may make the file a store between two looks.
    const [id, tables] = this.read(() => [
      this.#pragma('application_id'),
      this.get<{ n: number }>('SELECT count(*) AS n FROM sqlite_schema')
    ])
    if (id !== APPLICATION_ID && (id !== 0 || tables?.n !== 0))
      throw fail('STORE_FILE', { path: this.path, reason: 'it is a database of something else' })
    this.#handle.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    this.#handle.exec('PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864')
    if (this.#pragma('user_version') !== SCHEMA_VERSION) this.write(() => this.#migrate())
  }

  #migrate(): void {
    const version = this.#pragma('user_version')
    if (version > SCHEMA_VERSION) {
      const reason = `its schema is version ${version}; this Mezzo knows up to ${SCHEMA_VERSION}`
      throw fail('STORE_FILE', { path: this.path, reason })
    }
    if (version === SCHEMA_VERSION) return
    if (version === 0) this.#handle.exec(SCHEMA)
    else for (const step of MIGRATIONS.slice(version - 1)) this.#handle.exec(step)
    this.#handle.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
    this.#handle.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
  }

  #pragma(name: string): number {
    return Number(Object.values(this.#handle.prepare(`PRAGMA ${name}`).get() ?? {})[0])
  }
}

function identityOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}

// The topology holds BGP passwords and the like: only the owner may read it.  SQLite gives the
// WAL beside it the same mode.
function createPrivate(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    closeSync(openSync(path, 'a', 0o600))
  } catch (error) {
    throw fail('STORE_FILE', { path, reason: reasonOf(error) }, error)
  }
}

const codeOf = (error: unknown): number =>
  error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0

/** Another process holds the lock: try again a little later. */
export const isBusy = (error: unknown): boolean =>
  codeOf(error) === SQLITE_BUSY || codeOf(error) === SQLITE_LOCKED

/** The file's fault, not ours: worth another try later. */
export const isDatabaseError = (error: unknown): boolean => codeOf(error) !== 0 || isFailure(error)

/** What a caller of the store sees of an error of SQLite. */
export const translated = (error: unknown): unknown =>
  codeOf(error) === 0 ? error : fail('STORE_UNAVAILABLE', { reason: reasonOf(error) }, error)

function unusable(path: string, error: unknown): unknown {
  if (isFailure(error)) return error
  return fail('STORE_FILE', { path, reason: whyUnusable(error) }, error)
}

function whyUnusable(error: unknown): string {
  if (isBusy(error)) return `another process works with it (${reasonOf(error)})`
  return codeOf(error) === SQLITE_NOTADB ? 'it is not a database' : reasonOf(error)
}
