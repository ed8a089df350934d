// Makes changes together with others.  A change is first rehearsed on our copy; what it comes to is
// appended to the log under the next number.  Whoever else was faster has that number: then their
// change is taken in, and ours is rehearsed again, on what is true now.  Jobs that wait for the
// same answer become one change.
//
//   jobs ──► follow ──► rehearse ──► append n+1 ──► kept: apply, done
//              ▲                        │ lost: somebody else's, or the connection was cut and it
//              └────────────────────────┘       turned out not to be there

import type { Clock, Timer } from '../../core/clock.ts'
import { fail, isFailure, reasonOf } from '../../core/errors.ts'
import { Pace } from '../../core/pace.ts'
import { translated } from '../sqlite/database.ts'
import type { SharedFile } from '../sqlite/shared-database.ts'
import type { Commits } from '../sqlite/transactions.ts'
import { dump, pointerOf, putBase, readBase } from './base.ts'
import type { Blob } from './blob.ts'
import type { ZooKeeper } from './client/client.ts'
import { isZooKeeperError } from './client/errors.ts'
import { claim, type Estate, estatesOf } from './estate.ts'
import { type Appended, Log } from './log.ts'
import type { Presence } from './presence.ts'
import { Replica } from './replica.ts'

interface Job {
  readonly run: () => unknown
  readonly done: (result: unknown) => void
  readonly failed: (error: unknown) => void
  isSettled: boolean
  renewals: number // of its patience
  timer: Timer | undefined
}

type Outcome = { readonly result: unknown } | { readonly error: unknown }

/** How long a change that is not patient waits for a connection. */
const PATIENCE_MS = 3_000
/** How often its patience is renewed while connections come and go, or answers are slow. */
const RENEWALS_MAX = 5
const JOBS_MAX = 65_536
const BATCH = 64
const RETRY_MS = 200
/** Changes after which a base is made, and those of before it that are left for who is behind. */
const BASE_EVERY = 2_000
const BEHIND_MAX = 500

export interface WriterCounters {
  readonly changes: number
  readonly lost: number
  readonly unknown: number
  readonly applied: number
  readonly bases: number
  readonly reloads: number
}

export class Writer implements Commits {
  readonly replica: Replica
  readonly counters = { changes: 0, lost: 0, unknown: 0, applied: 0, bases: 0, reloads: 0 }
  readonly #zk: ZooKeeper
  readonly #file: SharedFile
  readonly #presence: Presence
  readonly #clock: Clock
  readonly #log: Log
  readonly #baseEvery: number
  readonly #jobs: Job[] = []
  #asked: (() => void)[] = [] // by who wants to know that all is here
  #estates: Estate[] | undefined // to be claimed again
  #session = ''
  #base = { n: -1, isWatched: false }
  #serial = 0
  #isBehind = false // something has come
  #reloadedAt = 0 // the change for which all was read anew
  #isAppending = false
  #heldAt = -Infinity // when the last connection was lost
  #isStarted = false
  #isNew = false // the session
  #isRunning = false
  #isClosed = false
  #halted: Error | undefined // why nothing goes on, for an operator
  readonly #unlisten: () => void

  constructor(zk: ZooKeeper, file: SharedFile, presence: Presence, baseEvery = BASE_EVERY) {
    this.#zk = zk
    this.#file = file
    this.#presence = presence
    this.#clock = file.clock
    this.#baseEvery = baseEvery
    this.#log = new Log(zk)
    this.replica = new Replica(file.database, file.trim)
    this.#unlisten = zk.onChange(condition => {
      if (condition === 'connected') this.#begin()
      else {
        presence.lost()
        this.#heldAt = this.#clock.now()
      }
      if (condition === 'expired') this.#estates ??= estatesOf(file.database, file.sessions.own)
    })
  }

  /** Why nothing goes on, for people; undefined when all is well. */
  get fault(): string | undefined {
    if (this.#halted !== undefined) return reasonOf(this.#halted)
    if (this.#zk.connected) return undefined
    return `no connection to ZooKeeper: ${this.#zk.fault}`
  }

  submit<T>(run: () => T, isPatient = false): Promise<T> {
    return new Promise((done, failed) => {
      if (this.#isClosed) throw fail('STORE_UNAVAILABLE', { reason: 'it is closed' })
      if (this.#jobs.length >= JOBS_MAX)
        throw fail('LIMIT', { what: 'the queue of writes to the store', limit: JOBS_MAX })
      const job: Job = {
        run,
        done: done as Job['done'],
        failed,
        isSettled: false,
        renewals: 0,
        timer: undefined
      }
      if (!isPatient) job.timer = this.#clock.after(PATIENCE_MS, () => this.#giveUp(job))
      this.#jobs.push(job)
      this.#wake()
    })
  }

  /** Resolves when all changes of before are here, or at once when nobody can say. */
  fresh(): Promise<void> {
    if (!this.#zk.connected || this.#halted !== undefined) return Promise.resolve()
    return new Promise(done => {
      this.#asked.push(done)
      this.#wake()
    })
  }

  async check(): Promise<void> {
    if (this.fault !== undefined) throw this.#unavailable()
    await this.#zk.sync().catch(error => {
      throw fail('STORE_UNAVAILABLE', { reason: reasonOf(error) }, error)
    })
  }

  /** Looks for changes, soon. */
  readonly look = (): void => {
    this.#isBehind = true
    this.#wake()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unlisten()
    for (const job of this.#jobs.splice(0))
      this.#settle(job, { error: fail('STORE_UNAVAILABLE', { reason: 'it is closed' }) })
    this.#answer()
    await this.#zk.close()
  }

  /** The copy is of the right store: from now on changes are followed and made. */
  start(): void {
    this.#isStarted = true
    if (this.#zk.connected) this.#begin()
  }

  // A connection, of this session or of a new one.
  #begin(): void {
    if (!this.#isStarted) return
    if (this.#session !== this.#zk.session) {
      this.#session = this.#zk.session
      this.#log.renewed()
      this.#base = { n: -1, isWatched: false }
      this.#isNew = true
    }
    this.look()
  }

  #wake(): void {
    if (this.#isRunning || this.#isClosed) return
    this.#isRunning = true
    queueMicrotask(() => void this.#run())
  }

  #hasWork(): boolean {
    if (!this.#isStarted || this.#isClosed || this.#halted !== undefined) return false
    if (!this.#zk.connected) return false
    return this.#isBehind || this.#asked.length > 0 || this.#jobs.length > 0
  }

  async #run(): Promise<void> {
    try {
      while (this.#hasWork()) await this.#turn()
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#isRunning = false
      this.#answer()
    }
    if (this.#hasWork()) this.#clock.after(RETRY_MS, () => this.#wake())
  }

  // Without a connection the next one goes on; else after a while.  What an operator has to mend
  // ends the writing, not the reading.
  #failed(error: unknown): void {
    if (isZooKeeperError(error)) {
      this.#isBehind = true
      return
    }
    if (!isFailure(error)) throw error
    this.#halted = error
    for (const job of this.#jobs.splice(0)) this.#settle(job, { error: this.#unavailable() })
  }

  #answer(): void {
    for (const done of this.#asked.splice(0)) done()
  }

  async #turn(): Promise<void> {
    if (this.#isNew) {
      await this.#presence.announce()
      this.#isNew = false
    }
    const asked = this.#asked
    this.#asked = []
    try {
      await this.#follow()
    } finally {
      for (const done of asked) done()
    }
    await this.#commit()
    if (this.replica.n - this.#base.n >= this.#baseEvery && this.#presence.isFirst)
      await this.#makeBase()
  }

  // --- others' changes

  async #follow(): Promise<void> {
    this.#isBehind = false
    if (!this.#base.isWatched) await this.#lookAtBase()
    const synced = this.#zk.sync()
    const [, there] = await Promise.all([synced, this.#log.isThere(this.replica.n + 1, this.look)])
    if (!there) {
      if (this.#base.n > this.replica.n) await this.#reload() // its changes have been swept
      return
    }
    for (;;) {
      const changes = await this.#log.after(this.replica.n)
      for (const { bytes } of changes) await this.#apply(bytes)
      if (changes.length === 0 && !(await this.#log.isThere(this.replica.n + 1, this.look))) return
    }
  }

  async #apply(bytes: Uint8Array): Promise<void> {
    if (!this.replica.apply(this.replica.n + 1, bytes)) return this.#reload()
    this.counters.applied++
    this.#file.committed()
  }

  async #lookAtBase(): Promise<void> {
    const changed = (): void => {
      this.#base.isWatched = false
      this.look()
    }
    this.#base = { n: this.#base.n, isWatched: true }
    try {
      this.#base.n = (await pointerOf(this.#zk, changed)).n
    } catch (error) {
      this.#base.isWatched = false
      throw error
    }
  }

  // Everything anew, from the newest base or from nothing.
  async #reload(): Promise<void> {
    this.counters.reloads++
    const { n, data } = await pointerOf(this.#zk)
    const next = this.replica.n + 1
    if (this.#reloadedAt === next) {
      const reason = 'it does not fit what was before it; only a new base can follow it'
      throw fail('STORE_FILE', { path: `/log/${next}`, reason })
    }
    this.#reloadedAt = next
    const bytes = n === 0 ? new Uint8Array() : (await readBase(this.#zk, n, data)).bytes
    this.replica.restore(n, bytes)
    this.#base.n = n
    this.#isBehind = true
    this.#file.committed()
  }

  async #makeBase(): Promise<void> {
    const { n: known, version } = await pointerOf(this.#zk)
    this.#base.n = known
    const { n } = this.replica
    if (n - known < this.#baseEvery) return
    const bytes = await dump(this.#file.database, new Pace(this.#clock))
    const id = `${this.#presence.key}.${++this.#serial}@${n}`
    if (!(await putBase(this.#zk, version, { n, blob: { id, bytes } }))) return
    this.#base.n = n
    this.counters.bases++
    await this.#log.sweep(n - BEHIND_MAX)
  }

  // --- our changes

  async #commit(): Promise<void> {
    const estates = this.#estates
    const batch = this.#jobs.slice(0, BATCH)
    if (batch.length === 0 && estates === undefined) return
    const { database, sessions } = this.#file
    const { result: outcomes, changes } = database.prefetch(() => {
      if (estates !== undefined) claim(database, sessions, estates)
      return batch.map(job => this.#attempt(job))
    })
    if (changes.length > 0 && (await this.#append(changes)) === 'lost') {
      this.counters.lost++
      this.#isBehind = true
      return
    }
    if (this.#estates === estates) this.#estates = undefined
    this.#jobs.splice(0, batch.length)
    for (const [i, job] of batch.entries()) this.#settle(job, outcomes[i]!)
  }

  #attempt(job: Job): Outcome {
    if (job.isSettled) return { result: undefined }
    try {
      return { result: this.#file.database.attempt(job.run) }
    } catch (error) {
      return { error: translated(error) }
    }
  }

  async #append(bytes: Uint8Array): Promise<'kept' | 'lost'> {
    const n = this.replica.n + 1
    const change = { id: `${this.#presence.key}.${++this.#serial}`, bytes }
    this.#isAppending = true
    let appended: Appended
    try {
      appended = await this.#log.append(n, change)
      while (appended === 'unknown') {
        this.counters.unknown++
        appended = await this.#findOut(n, change)
      }
    } finally {
      this.#isAppending = false
    }
    if (appended === 'lost') return 'lost'
    this.counters.changes++
    await this.#apply(bytes)
    return 'kept'
  }

  async #findOut(n: number, change: Blob): Promise<Appended> {
    while (!(await this.#zk.ready(PATIENCE_MS)))
      if (this.#isClosed) throw fail('STORE_UNAVAILABLE', { reason: 'it is closed' })
    try {
      return await this.#log.has(n, change)
    } catch (error) {
      if (!isZooKeeperError(error)) throw error
      return 'unknown'
    }
  }

  // It stays in its place in the queue until that is reached: a change under way may be of it.
  #giveUp(job: Job): void {
    const isAway = !this.#zk.connected && this.#clock.now() - this.#heldAt >= PATIENCE_MS
    if (!isAway && this.#halted === undefined && job.renewals++ < RENEWALS_MAX) {
      job.timer = this.#clock.after(PATIENCE_MS, () => this.#giveUp(job))
      return
    }
    this.#settle(job, { error: this.#unavailable() })
  }

  #unavailable(): Error {
    const why = this.fault ?? 'ZooKeeper takes no changes in time'
    const reason = this.#isAppending ? `${why}; whether this change was made is not known` : why
    return fail('STORE_UNAVAILABLE', { reason }, this.#halted)
  }

  #settle(job: Job, outcome: Outcome): void {
    if (job.isSettled) return
    job.isSettled = true
    job.timer?.cancel()
    if ('error' in outcome) job.failed(outcome.error)
    else job.done(outcome.result)
  }
}
