// The tables that hosts share, as far as this process needs them.  One that nobody here has asked
// for is not read and not watched; one that nobody needs any more is let go after a while.  An
// entry is seen while the session of its owner lasts, which the log of the topology tells.
// test/zookeeper/tables.test.ts holds it, and the contract of test/store.

import { type Clock, sleep, type Timer, within } from '../../../core/clock.ts'
import { fail, isFailure } from '../../../core/errors.ts'
import { SEED } from '../../sqlite/entries.ts'
import type { SharedFile } from '../../sqlite/shared-database.ts'
import { checkEntry, checkTableName, type SessionTables } from '../../sqlite/table.ts'
import type { ReplicatedTable, TableEntry, TableEvent, Watch } from '../../store.ts'
import type { ZooKeeper } from '../client/client.ts'
import { isZooKeeperError } from '../client/errors.ts'
import { newTableCounters, type TableParts } from './parts.ts'
import type { Step } from './rows.ts'
import { TableLog } from './table-log.ts'
import { TableWatcher } from './watcher.ts'

interface Held {
  readonly log: TableLog
  usedAt: number
}

/** What `SharedTables` is given. */
export interface SharedTablesParts {
  /** The connection with ZooKeeper. */
  readonly zk: ZooKeeper
  readonly file: SharedFile
  /** Name of this process. */
  readonly by: string
  /** Brings the sessions up to date. */
  readonly fresh: () => Promise<void>
  /** How long a table that nobody needs is still followed; default: a minute. */
  readonly idleMs?: number | undefined
  /** Whether what was held over the end of a session is still to be claimed. */
  readonly isClaiming: () => boolean
  /** Whether it is us who look after what all have left. */
  readonly isFirst: () => boolean
  /** How often tables with nothing left in them are looked for; default: every 10 minutes. */
  readonly sweepMs?: number | undefined
}

const IDLE_MS = 60_000
const LOOKS_PER_IDLE = 4
const SWEEP_MS = 600_000
/** Between two tables of a sweep. */
const SWEEP_PAUSE_MS = 20
/** Tables that are read again at a time when a connection is back. */
const LANES = 128
const PENDING_MAX = 262_144
/** How long a reader waits for a table that was never read. */
const PATIENCE_MS = 3_000
const IDLE_POLL_MS = 5

/** The tables that this machine follows, each with its log. */
export class SharedTables {
  /** What all tables count together. */
  readonly counters = newTableCounters()
  readonly #file: SharedFile
  readonly #zk: ZooKeeper
  readonly #clock: Clock
  readonly #held = new Map<string, Held>()
  readonly #parts: TableParts
  readonly #idleMs: number
  readonly #unlisten: () => void
  #sessions: ReadonlySet<string>
  #session = '' // with ZooKeeper
  #serial = 0
  #pending = 0
  readonly #isFirst: () => boolean
  readonly #sweepMs: number
  #timer: Timer
  #sweeping: Timer
  #isClosed = false

  constructor(parts: SharedTablesParts) {
    const { zk, file, by, fresh, idleMs = IDLE_MS, sweepMs = SWEEP_MS } = parts
    this.#isFirst = parts.isFirst
    this.#sweepMs = sweepMs
    this.#idleMs = idleMs
    this.#file = file
    this.#zk = zk
    this.#clock = file.clock
    this.#sessions = this.#allSessions()
    this.#parts = {
      ...{ zk, by, fresh },
      clock: file.clock,
      serial: () => this.#serial++,
      own: file.sessions.own,
      lasts: session => this.#sessions.has(session),
      mayWrite: () => !parts.isClaiming() && !file.leaseWatch.isFenced,
      processes: () => new Set(this.#column('boot')),
      counters: this.counters
    }
    this.#unlisten = zk.onChange(condition => {
      if (condition === 'connected') void this.#connected()
    })
    this.#timer = this.#clock.after(idleMs, () => this.#letGo())
    this.#sweeping = this.#clock.after(sweepMs, () => void this.#sweep())
  }

  /** How many tables are followed here. */
  get size(): number {
    return this.#held.size
  }

  /** How many rows they have together. */
  get rows(): number {
    let sum = 0
    for (const { log } of this.#held.values()) sum += log.rows.size
    return sum
  }

  /** The first of the tables that cannot be followed, and why. */
  get fault(): string | undefined {
    for (const { log } of this.#held.values()) if (log.fault !== undefined) return log.fault
    return undefined
  }

  /** The shared tables as a session sees and writes them. */
  of(session: string): SessionTables {
    return {
      table: (name, watches) => this.#table(session, name, watches),
      idle: () => this.#idle()
    }
  }

  /** Call it when sessions may have begun or ended: rows come into sight or go. */
  sessionsChanged(): void {
    const before = this.#sessions
    const now = this.#allSessions()
    this.#sessions = now
    const changed = [
      ...[...before].filter(each => !now.has(each)),
      ...[...now].filter(each => !before.has(each))
    ]
    if (changed.length === 0) return
    for (const { log } of this.#held.values()) for (const each of changed) log.look(each)
  }

  /** Follows none of them any more. */
  close(): void {
    this.#isClosed = true
    this.#timer.cancel()
    this.#sweeping.cancel()
    this.#unlisten()
    for (const { log } of this.#held.values()) log.close()
    this.#held.clear()
  }

  /** What was held was claimed, and changes may be made again; or is another's, and none may. */
  claimed(): void {
    const { isFenced } = this.#file.leaseWatch
    for (const { log } of this.#held.values()) {
      if (isFenced) log.fence(fenced())
      else log.claimed()
    }
  }

  #allSessions(): ReadonlySet<string> {
    return new Set(this.#column('id'))
  }

  #column(name: 'id' | 'boot'): string[] {
    const sql = `SELECT ${name} AS it FROM sessions`
    return this.#file.database.all<{ it: string }>(sql).map(({ it }) => it)
  }

  #use(name: string): TableLog {
    if (this.#isClosed) throw fail('STORE_UNAVAILABLE', { reason: 'it is closed' })
    let held = this.#held.get(name)
    if (held === undefined) {
      held = { log: new TableLog(name, this.#parts), usedAt: 0 }
      this.#held.set(name, held)
    }
    held.usedAt = this.#clock.now()
    return held.log
  }

  #table(session: string, name: string, watches: Set<Watch>): ReplicatedTable {
    checkTableName(name)
    const write = (step: Step): Promise<void> => this.#write(name, step)
    return {
      name,
      put: async (key, value) => {
        checkEntry(key, value)
        await write({ owner: session, key, value })
      },
      seed: async (key, value) => {
        checkEntry(key, value)
        await write({ owner: SEED, key, value })
      },
      remove: (key, was) => write({ owner: session, key, was }),
      unseed: key => write({ owner: SEED, key }),
      entries: async () => [...(await this.#read(name)).rows.shown()].sort(byKey),
      get: async key => (await this.#read(name)).rows.get(key),
      watch: listener => this.#watch(name, watches, listener)
    }
  }

  async #write(name: string, step: Step): Promise<void> {
    if (this.#file.leaseWatch.isFenced) throw fenced()
    if (this.#pending >= PENDING_MAX)
      throw fail('LIMIT', { what: 'the queue of table entries to store', limit: PENDING_MAX })
    this.#pending++
    try {
      await this.#use(name).write(step)
    } finally {
      this.#pending--
    }
  }

  async #read(name: string): Promise<TableLog> {
    const log = this.#use(name)
    // Whose rows are seen is told by the log of the topology.
    const fresh = Promise.all([log.fresh(), this.#parts.fresh()])
    if (log.isLoaded) await fresh
    else if (!(await within(this.#clock, PATIENCE_MS, fresh))) {
      const reason = `the table ${name} was not read yet: ${log.fault ?? this.#zk.fault}`
      throw fail('STORE_UNAVAILABLE', { reason })
    }
    return log
  }

  #watch(
    name: string,
    watches: Set<Watch>,
    listener: (events: readonly TableEvent[]) => void
  ): Watch {
    const log = this.#use(name)
    const watcher = new TableWatcher(this.#clock, listener)
    const watch: Watch = {
      ready: watcher.ready,
      close: () => {
        if (!watches.delete(watch)) return
        log.unwatch(watcher)
        const held = this.#held.get(name)
        if (held?.log === log) held.usedAt = this.#clock.now()
      }
    }
    watches.add(watch)
    log.watch(watcher)
    return watch
  }

  // Everything wanted is read again: a few tables at a time.
  async #connected(): Promise<void> {
    const isNew = this.#session !== this.#zk.session
    this.#session = this.#zk.session
    const logs = [...this.#held.values()].map(({ log }) => log)
    for (let at = 0; at < logs.length && !this.#isClosed; at += LANES)
      await Promise.allSettled(logs.slice(at, at + LANES).map(log => log.connected(isNew)))
  }

  async #idle(): Promise<void> {
    while ([...this.#held.values()].some(({ log }) => log.pending > 0))
      await new Promise<void>(done => this.#clock.after(IDLE_POLL_MS, done))
  }

  // What owners that are gone have left in tables that nobody follows any more.
  async #sweep(): Promise<void> {
    try {
      const names = this.#isFirst() ? ((await this.#zk.children('/tables')) ?? []) : []
      for (const name of names) {
        if (this.#isClosed || !this.#zk.connected) break
        const isHeld = this.#held.has(decodeURIComponent(name))
        const log = this.#use(decodeURIComponent(name))
        await log.clean()
        if (!isHeld && !log.isNeeded) this.#drop(decodeURIComponent(name), log)
        await sleep(this.#clock, SWEEP_PAUSE_MS)
      }
    } catch (error) {
      if (!isZooKeeperError(error) && !isFailure(error)) throw error // next time, then
    }
    if (this.#isClosed) return
    this.#sweeping = this.#clock.after(this.#sweepMs, () => void this.#sweep())
  }

  #drop(name: string, log: TableLog): void {
    log.close()
    this.#held.delete(name)
  }

  #letGo(): void {
    const now = this.#clock.now()
    for (const [name, { log, usedAt }] of this.#held) {
      if (now - usedAt < this.#idleMs || log.isNeeded) continue
      this.#drop(name, log)
      this.counters.letGo++
    }
    this.#timer = this.#clock.after(this.#idleMs / LOOKS_PER_IDLE, () => this.#letGo())
  }
}

const fenced = (): Error => fail('SESSION_LOST', { session: 'of this process' })

const byKey = (a: TableEntry, b: TableEntry): number => (a.key < b.key ? -1 : 1)
