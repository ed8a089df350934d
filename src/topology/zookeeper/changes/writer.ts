// Makes changes together with other machines. A change is first tried on our copy; what it comes to
// is appended to the log under the next number. When another machine was faster, its change has
// that number: it is applied, and ours is tried again. test/zookeeper/contract.test.ts holds it.
//
//   jobs ──► follow ──► try ──► append n+1 ──► kept: apply, done
//              ▲                   │ lost: another's, or the connection was cut and it
//              └───────────────────┘       turned out not to be there

import type { Clock } from '../../../core/clock.ts'
import { fail, isFailure, reasonOf } from '../../../core/errors.ts'
import { Pace } from '../../../core/pace.ts'
import { translated } from '../../sqlite/database.ts'
import type { SharedFile } from '../../sqlite/shared-database.ts'
import type { Commits } from '../../sqlite/transactions.ts'
import type { ZooKeeper } from '../client/client.ts'
import { isZooKeeperError } from '../client/errors.ts'
import type { Blob } from '../nodes/blob.ts'
import type { Presence } from '../presence.ts'
import { dump, pointerOf, putBase, readBase } from './base.ts'
import { Claims } from './estate.ts'
import { type Job, Jobs, type Outcome, PATIENCE_MS } from './jobs.ts'
import { type Appended, Log } from './log.ts'
import { Replica } from './replica.ts'

const BATCH = 64
const RETRY_MS = 200
/** Changes after which a base is made, and those of before it that are left for who is behind. */
const BASE_EVERY = 2_000
const BEHIND_MAX = 500

/** Makes changes together with other machines, one after the other. */
export class Writer implements Commits {
  readonly replica: Replica
  /** What is to be claimed after the end of a session. */
  readonly claims: Claims
  /**
   * Changes that this process appended; of ours, those another came before, and those whose outcome
   * had to be found out; changes applied, bases made by us, times all was read anew.
   */
  readonly counters = { changes: 0, lost: 0, unknown: 0, applied: 0, bases: 0, reloads: 0 }
  readonly #zk: ZooKeeper
  readonly #file: SharedFile
  readonly #presence: Presence
  readonly #clock: Clock
  readonly #log: Log
  readonly #baseEvery: number
  readonly #jobs: Jobs
  #asked: (() => void)[] = [] // by who wants to know that all is here
  #session = ''
  #base = { n: -1, version: -1, isWatched: false }
  #serial = 0
  #isBehind = false // something has come
  #behindSince = 0
  #mustFollow = false // before the next change of ours
  #reloadedAt = 0 // the change for which all was read anew
  #appending = 0 // the number of a change of ours that is under way
  #heldAt = -Infinity // when the last connection was lost
  #isStarted = false
  #isNew = false // the session
  #isRunning = false
  #isClosed = false
  #halted: Error | undefined // why nothing goes on, for an operator
  readonly #unlisten: () => void
  #closed: () => void = () => {}

  constructor(zk: ZooKeeper, file: SharedFile, presence: Presence, baseEvery = BASE_EVERY) {
    this.#zk = zk
    this.#file = file
    this.#presence = presence
    this.#clock = file.clock
    this.#baseEvery = baseEvery
    this.#log = new Log(zk)
    this.claims = new Claims(file)
    this.#jobs = new Jobs(
      file.clock,
      () => this.#mayWait(),
      () => this.#unavailable()
    )
    this.replica = new Replica(file.database, file.trim)
    this.#unlisten = zk.onChange(condition => {
      if (condition === 'connected') this.#begin()
      else {
        presence.lost()
        this.#heldAt = this.#clock.now()
      }
      if (condition === 'expired') this.claims.note()
    })
  }

  /** Why nothing goes on, for people; undefined when all is well. */
  get fault(): string | undefined {
    if (this.#halted !== undefined) return reasonOf(this.#halted)
    if (this.#zk.connected) return undefined
    return `no connection to ZooKeeper: ${this.#zk.fault}`
  }

  /** Whether nothing goes on until an operator has mended something: see `fault`. */
  get isHalted(): boolean {
    return this.#halted !== undefined
  }

  /** For how long we have known of changes that are not here yet; 0: all are. */
  get lagMs(): number {
    return this.#isBehind ? this.#clock.now() - this.#behindSince : 0
  }

  /** Changes that wait to be made. */
  get waiting(): number {
    return this.#jobs.length
  }

  submit<T>(run: () => T, isPatient = false): Promise<T> {
    if (this.#isClosed) return Promise.reject(fail('STORE_UNAVAILABLE', { reason: 'it is closed' }))
    const done = this.#jobs.add(run, isPatient)
    this.#wake()
    return done
  }

  /** Resolves when all changes of before are here, or at once when nobody can say. */
  fresh(): Promise<void> {
    if (!this.#zk.connected || this.#halted !== undefined) return Promise.resolve()
    return new Promise(done => {
      this.#asked.push(done)
      this.#wake()
    })
  }

  get wasFresh(): boolean {
    return this.#isStarted && this.#zk.connected && !this.#mustFollow
  }

  async check(): Promise<void> {
    if (this.fault !== undefined) throw this.#unavailable()
    await this.#zk.sync().catch(error => {
      throw fail('STORE_UNAVAILABLE', { reason: reasonOf(error) }, error)
    })
  }

  /** Looks for changes, soon. */
  readonly look = (): void => {
    if (!this.#isBehind) this.#behindSince = this.#clock.now()
    this.#isBehind = true
    this.#wake()
  }

  // Of a change that is ours, or has its number, its outcome tells.
  readonly #came = (n: number): void => {
    if (n !== this.#appending) this.look()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unlisten()
    this.#closed()
    this.#jobs.failAll(fail('STORE_UNAVAILABLE', { reason: 'it is closed' }))
    this.#answer()
    await this.#zk.close()
  }

  /** Called when it closes, while there is still a connection. */
  onClose(closed: () => void): void {
    this.#closed = closed
  }

  /** The copy is of the right store: from now on changes are followed and made. */
  start(): void {
    this.#isStarted = true
    if (this.#zk.connected) this.#begin()
  }

  // A connection, of this session or of a new one.
  #begin(): void {
    if (!this.#isStarted) return
    this.#presence.returned()
    this.#mustFollow = true
    if (this.#session !== this.#zk.session) {
      this.#session = this.#zk.session
      this.#log.renewed()
      this.#base = { n: -1, version: -1, isWatched: false }
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
      this.#isBehind = this.#mustFollow = true
      return
    }
    if (!isFailure(error)) throw error
    this.#halted = error
    this.#jobs.failAll(this.#unavailable())
  }

  #answer(): void {
    for (const done of this.#asked.splice(0)) done()
  }

  async #turn(): Promise<void> {
    if (this.#isNew) {
      await this.#presence.announce()
      this.#isNew = false
    }
    // A change of ours shows by its number whether all before it was known: so it is tried at once,
    // and others' are looked for when it was not, or when there is no change to tell it by.
    const isSure = this.#mustFollow || this.#asked.length > 0
    if (isSure || this.#jobs.length === 0) await this.#followFor(this.#asked.splice(0), isSure)
    await this.#commit(isSure)
    if (this.replica.n - this.#base.n >= this.#baseEvery && this.#presence.isFirst)
      await this.#makeBase()
  }

  // --- others' changes

  async #followFor(asked: readonly (() => void)[], isSure: boolean): Promise<void> {
    try {
      await this.#follow(isSure)
      if (isSure) this.#mustFollow = false
    } finally {
      for (const done of asked) done()
    }
  }

  // What ZooKeeper told us of is there; nobody is asked whether there is more but for those who
  // want to know that.
  async #follow(isAsked: boolean): Promise<void> {
    this.#isBehind = false
    if (!this.#base.isWatched) await this.#lookAtBase()
    const next = this.replica.n + 1
    const synced = isAsked ? this.#zk.sync() : undefined
    const there = this.#log.hasCome(next) || this.#log.isThere(next, this.#came)
    const [isThere] = await Promise.all([there, synced])
    if (isThere)
      for await (const { bytes } of this.#log.readOn(this.replica.n, this.#came))
        if (!(await this.#apply(bytes))) break
    const hasMissed = this.replica.n < next && this.#base.n >= next
    if (hasMissed) await this.#reload() // its changes have been swept
  }

  // False: it does not fit, and everything was read anew.
  async #apply(bytes: Uint8Array): Promise<boolean> {
    const fits = this.replica.apply(this.replica.n + 1, bytes)
    if (!fits) await this.#reload()
    else this.counters.applied++
    if (fits) this.#file.committed()
    return fits
  }

  async #lookAtBase(): Promise<void> {
    const changed = (): void => {
      this.#base.isWatched = false
      this.look()
    }
    this.#base.isWatched = true
    try {
      const { n, version } = await pointerOf(this.#zk, changed)
      Object.assign(this.#base, { n, version })
    } catch (error) {
      this.#base.isWatched = false
      throw error
    }
  }

  // Everything anew, from the newest base or from nothing.
  async #reload(): Promise<void> {
    this.counters.reloads++
    const { n, data, version } = await pointerOf(this.#zk)
    const next = this.replica.n + 1
    if (this.#reloadedAt === next) {
      const reason = 'it does not fit what was before it; only a new base can follow it'
      throw fail('STORE_FILE', { path: `/log/${next}`, reason })
    }
    this.#reloadedAt = next
    const bytes = n === 0 ? new Uint8Array() : (await readBase(this.#zk, n, data)).bytes
    this.replica.restore(n, bytes)
    Object.assign(this.#base, { n, version })
    this.#isBehind = true
    this.#file.committed()
  }

  async #makeBase(): Promise<void> {
    const { version } = this.#base
    const { n } = this.replica
    const bytes = await dump(this.#file.database, new Pace(this.#clock))
    const id = `${this.#presence.key}.${++this.#serial}@${n}`
    if (!(await putBase(this.#zk, version, { n, blob: { id, bytes } }))) {
      this.#base.isWatched = false // another was faster
      return
    }
    Object.assign(this.#base, { n, version: version + 1 })
    this.counters.bases++
    await this.#log.sweep(n - BEHIND_MAX)
  }

  // --- our changes

  async #commit(isSure: boolean): Promise<void> {
    const { pending } = this.claims
    const batch = this.#jobs.first(BATCH)
    if (batch.length === 0 && pending === undefined) return
    const { result: outcomes, changes } = this.#file.database.dryRun(() => {
      this.claims.claim()
      return batch.map(job => this.#attempt(job))
    })
    const isTold = changes.length > 0 && !outcomes.some(outcome => 'error' in outcome)
    if (!isSure && !isTold) {
      this.#mustFollow = true
      return
    }
    if (changes.length > 0 && (await this.#append(changes)) === 'lost') {
      this.counters.lost++
      this.#mustFollow = true
      return
    }
    this.claims.settle(pending)
    this.#jobs.settle(outcomes)
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
    this.#appending = n
    let appended: Appended
    try {
      const done = this.#log.append(n, change, this.#base.version)
      // Meanwhile we ask to be told of the next one; who gets no answer looks later.
      const asked = this.#log.isThere(n + 1, this.#came).catch(this.look)
      appended = await done
      await asked
      while (appended === 'unknown') {
        this.counters.unknown++
        appended = await this.#findOut(n, change)
      }
    } finally {
      this.#appending = 0
    }
    if (appended === 'rebased') this.#base.isWatched = false
    if (appended !== 'kept') return 'lost'
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

  #mayWait(): boolean {
    const isAway = !this.#zk.connected && this.#clock.now() - this.#heldAt >= PATIENCE_MS
    return !isAway && this.#halted === undefined
  }

  #unavailable(): Error {
    const why = this.fault ?? 'ZooKeeper takes no changes in time'
    const reason = this.#appending > 0 ? `${why}; whether this change was made is not known` : why
    return fail('STORE_UNAVAILABLE', { reason }, this.#halted)
  }
}
