// Flow state in a Cassandra cluster, where any host finds it to which a port moves.  Saving puts
// into a bounded queue; so many writes at once take from it.  A write that gets no answer goes back
// to the front, the cluster counts as away, and one query at a time asks whether it is there again.
//
//            attempt succeeds
//   away ───────────────────────► ready        away: one attempt, then a longer pause, and so on
//        ◄───────────────────────
//          a query fails or is late
// test/cassandra/cassandra.test.ts holds it.

import { Backoff } from '../../../core/backoff.ts'
import type { Clock, Timer } from '../../../core/clock.ts'
import { fail, reasonOf } from '../../../core/errors.ts'
import type { Log } from '../../../core/log.ts'
import type { Random } from '../../../core/random.ts'
import { SaveQueue, type Waiting } from '../queue.ts'
import type { FlowStateStore, SavedBatch, StoreState } from '../store.ts'
import { Tally } from '../tally.ts'
import { Gate } from './gate.ts'
import type { ClusterOptions } from './options.ts'
import { faultOf, Session } from './session.ts'
import { HOUR_MS } from './statements.ts'
import { within } from './within.ts'

/** What the store is made of. */
export interface CassandraOptions {
  /** Where the cluster is, and who we are to it. */
  readonly cluster: ClusterOptions
  /** Older batches are not read. */
  readonly keepMs: number
  /** Memory for what waits to be written; the rest is left out. */
  readonly queueBytesMax: number
  /** State read for one port; the oldest is left out. */
  readonly loadBytesMax: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 5000
// After so many failures the contact points are asked: the nodes we knew may have been replaced,
// and a driver that lost them all is not always itself again.
const FAILURES_MAX = 3
const OPEN_MS_MAX = 20_000
const CLOSE_MS_MAX = 2000
const LOADS_MAX = 16

/** Flow state in a Cassandra cluster, where any host finds it. */
export class CassandraStore implements FlowStateStore {
  readonly #options: CassandraOptions
  readonly #queue: SaveQueue
  readonly #tally = new Tally()
  readonly #writer: number
  readonly #retry = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS)
  readonly #loads = new Gate(LOADS_MAX)
  #session: Session | null = null
  #state: StoreState = 'away'
  #lastAt = 0
  #underWay = 0
  #failures = 0
  #timer: Timer | null = null
  #attempting: Promise<boolean> | null = null
  #settlers: (() => void)[] = []
  #closing: Promise<void> | undefined

  constructor(options: CassandraOptions) {
    this.#options = options
    this.#queue = new SaveQueue(options.queueBytesMax)
    this.#writer = options.random.uint32() | 0
    this.#attempt()
  }

  get state(): StoreState {
    return this.#state
  }

  save(batches: readonly SavedBatch[]): void {
    if (this.#closing !== undefined) {
      this.#queue.leftOut += batches.length
      return
    }
    // Rows are in the order of time, which may not go back when somebody sets the clock.
    this.#lastAt = Math.max(this.#lastAt, this.#options.clock.wall())
    for (const batch of batches) this.#queue.push(batch, this.#lastAt)
    this.#pump()
  }

  async load(port: number): Promise<Uint8Array[]> {
    const tally = this.#tally
    tally.loads++
    try {
      if (this.#session === null) await this.#attempt()
      const session = this.#session
      if (session === null || this.#closing !== undefined) throw new Error('no connection')
      const found = await this.#loads.enter(() => this.#read(session, port))
      tally.loaded += found.length
      return found
    } catch (error) {
      const { isRefusal, isTimeout } = faultOf(error)
      tally.loadFailed++
      if (isTimeout) tally.timedOut++
      if (this.#state === 'ready' && !isRefusal) this.#failed(error)
      throw fail('STORE_UNAVAILABLE', { reason: reasonOf(error) }, error)
    }
  }

  async settle(): Promise<void> {
    if (this.#state === 'away' && !(await this.#attempt())) return
    await new Promise<void>(done => {
      this.#settlers.push(done)
      this.#pump()
    })
  }

  counters(): Record<string, number> {
    return this.#tally.record(this.#queue)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.settle()
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#queue.clear()
    await this.#attempting
    await this.#dismiss()
  }

  // --- writing -----------------------------------------------------------------------------------

  #pump(): void {
    const { queriesMax } = this.#options.cluster
    while (this.#state === 'ready' && this.#underWay < queriesMax && this.#queue.length > 0)
      this.#write(this.#queue.shift()!)
    if (this.#queue.length === 0 && this.#underWay === 0) this.#settled()
  }

  async #write(batch: Waiting): Promise<void> {
    this.#underWay++
    try {
      await this.#send(batch)
    } catch (error) {
      this.#failed(error)
    }
    this.#underWay--
    this.#pump()
  }

  /** Throws when the cluster did not answer; the batch waits again then. */
  async #send(batch: Waiting): Promise<void> {
    const tally = this.#tally
    try {
      await this.#session!.save(batch, this.#writer, this.#options.clock.wall())
      tally.saved++
      tally.savedBytes += batch.bytes.length
    } catch (error) {
      const { isRefusal, isTimeout } = faultOf(error)
      if (isRefusal) {
        if (tally.refused++ === 0)
          this.#options.log.error({ reason: reasonOf(error) }, 'the cluster refuses flow state')
        return
      }
      tally.failed++
      if (isTimeout) tally.timedOut++
      if (this.#state === 'closed') this.#queue.leftOut++
      else this.#queue.putBack(batch)
      throw error
    }
  }

  #settled(): void {
    const settlers = this.#settlers
    this.#settlers = []
    for (const done of settlers) done()
  }

  // --- reading -----------------------------------------------------------------------------------

  async #read(session: Session, port: number): Promise<Uint8Array[]> {
    const { clock, keepMs, loadBytesMax } = this.#options
    const now = Math.max(clock.wall(), this.#lastAt)
    const since = clock.wall() - keepMs
    const found: Uint8Array[] = []
    let left = loadBytesMax
    for (let hour = Math.floor(now / HOUR_MS); hour >= Math.floor(since / HOUR_MS); hour--)
      for await (const page of session.load(port, hour, since))
        for (const bytes of page) {
          left -= bytes.length
          if (left < 0) {
            this.#tally.cut++
            return found.reverse()
          }
          found.push(bytes)
        }
    return found.reverse()
  }

  // --- being away --------------------------------------------------------------------------------

  #arm(): void {
    if (this.#closing !== undefined) return this.#settled() // nothing more will come of it
    this.#timer ??= this.#options.clock.after(this.#retry.next(), () => {
      this.#timer = null
      this.#attempt()
    })
  }

  /** Asks whether the cluster is there; one at a time. */
  #attempt(): Promise<boolean> {
    // A session that is opened now, nobody would close.
    if (this.#state === 'closed') return Promise.resolve(false)
    this.#attempting ??= this.#try().finally(() => {
      this.#attempting = null
      if (this.#state === 'away') this.#arm()
    })
    return this.#attempting
  }

  async #try(): Promise<boolean> {
    try {
      if (this.#session === null) this.#session = await this.#connect()
      else await this.#ask()
      this.#returned()
      return true
    } catch (error) {
      this.#failed(error)
      if (++this.#failures % FAILURES_MAX === 0) await this.#dismiss()
      this.#settled()
      return false
    }
  }

  async #ask(): Promise<void> {
    const batch = this.#queue.shift()
    if (batch === undefined) return this.#session!.probe()
    this.#underWay++
    try {
      await this.#send(batch)
    } finally {
      this.#underWay--
    }
  }

  async #connect(): Promise<Session> {
    const { cluster, keepMs, clock } = this.#options
    const opening = Session.open(cluster, Math.ceil(keepMs / 1000), this.#tally)
    try {
      return await within(clock, OPEN_MS_MAX, opening, 'connecting')
    } catch (error) {
      opening.then(late => late.close()).catch(() => {})
      throw error
    }
  }

  async #dismiss(): Promise<void> {
    const session = this.#session
    this.#session = null
    if (session === null) return
    // Sockets that do not close in time end by themselves.
    await within(this.#options.clock, CLOSE_MS_MAX, session.close(), 'closing').catch(() => {})
  }

  #returned(): void {
    this.#retry.reset()
    this.#failures = 0
    if (this.#state !== 'away') return
    this.#state = 'ready'
    this.#options.log.info({}, 'the cluster takes flow state')
    this.#pump()
  }

  #failed(error: unknown): void {
    if (this.#state === 'closed' || (this.#state === 'away' && this.#tally.away > 0)) return
    this.#state = 'away'
    this.#tally.away++
    this.#options.log.warn({ reason: reasonOf(error) }, 'the cluster of flow state is away')
    if (this.#attempting === null) this.#arm()
  }
}
