// The one writer of this process.  A job runs at once, within the caller's turn; only when another
// process holds the lock does it wait, on a timer, and later jobs queue behind it in order.
// test/store/sqlite.test.ts holds it.

import type { Clock, Timer } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import { type Database, isBusy, translated } from './database.ts'

const RETRY_MS = 2
// Queued jobs run for so long before the event loop has a turn.
const STRETCH_MS = 4
const PATIENCE_MS = 10_000
const JOBS_MAX = 65_536

/** Who makes changes of the file last: here, or with others elsewhere. */
export interface Commits {
  /**
   * A job that changes the file, all of it or nothing.  A patient one waits for as long as it takes
   * while changes cannot be made.
   */
  submit<T>(run: () => T, isPatient?: boolean): Promise<T>
  /** Resolves when what others had changed before is here; absent where it always is. */
  fresh?(): Promise<void>
  /** Whether it was all here once, and changes have been followed since. */
  readonly wasFresh?: boolean
  /** Throws STORE_UNAVAILABLE unless changes can be made; absent where a change must show it. */
  check?(): Promise<void>
  /** Resolves when nothing is to be written any more. */
  close(): void | Promise<void>
}

interface Job {
  readonly run: () => unknown
  readonly done: (result: unknown) => void
  readonly failed: (error: unknown) => void
  readonly since: number
}

/** Runs each write in a transaction of its own. */
export class Transactions implements Commits {
  readonly #database: Database
  readonly #clock: Clock
  readonly #trim: () => void
  readonly #committed: () => void
  readonly #jobs: Job[] = []
  #timer: Timer | undefined
  #closed = false

  /** `trim` runs within each transaction, `committed` after it. */
  constructor(database: Database, clock: Clock, trim: () => void, committed: () => void) {
    this.#database = database
    this.#clock = clock
    this.#trim = trim
    this.#committed = committed
  }

  submit<T>(run: () => T): Promise<T> {
    return new Promise((done, failed) => {
      if (this.#closed) throw fail('STORE_UNAVAILABLE', { reason: 'it is closed' })
      if (this.#jobs.length >= JOBS_MAX)
        throw fail('LIMIT', { what: 'the queue of writes to the store', limit: JOBS_MAX })
      const job = { run, done: done as Job['done'], failed, since: this.#clock.now() }
      if (this.#jobs.length > 0 || !this.#attempt(job)) this.#wait(job)
    })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const job of this.#jobs.splice(0))
      job.failed(fail('STORE_UNAVAILABLE', { reason: 'it is closed' }))
  }

  #wait(job: Job): void {
    this.#jobs.push(job)
    this.#timer ??= this.#clock.after(RETRY_MS, () => this.#retry())
  }

  #retry(): void {
    this.#timer = undefined
    const started = this.#clock.now()
    while (this.#jobs.length > 0 && this.#attempt(this.#jobs[0]!)) {
      this.#jobs.shift()
      if (this.#clock.now() - started > STRETCH_MS) break
    }
    if (this.#jobs.length > 0) this.#timer = this.#clock.after(RETRY_MS, () => this.#retry())
  }

  // False when the lock is held and there is still patience.
  #attempt(job: Job): boolean {
    try {
      const result = this.#database.write(() => {
        const result = job.run()
        this.#trim()
        return result
      })
      this.#committed() // first, so that watches hear before the writer goes on
      job.done(result)
    } catch (error) {
      if (isBusy(error) && this.#clock.now() - job.since < PATIENCE_MS) return false
      job.failed(translated(error))
    }
    return true
  }
}
