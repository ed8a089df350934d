// Serves one packet worker from the store: opens a watch for each interest the worker names, and
// carries table writes back.  Lives on the main thread; the worker's end is TopologyView.

import { reasonOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { type Interest, interestKey } from './interest.ts'
import type { Store, TableEvent, Watch, WatchEvent } from './store.ts'

/** What a feed tells a packet thread. */
export interface FeedListener {
  /** Objects of an interest changed; `ready`: all that there are have been told. */
  events(key: string, events: readonly WatchEvent[], ready: boolean): void
  /** Entries of a shared table changed; `ready` likewise. */
  tableEvents(name: string, events: readonly TableEvent[], ready: boolean): void
  /** An interest was closed: nothing of it comes after this. */
  unwanted(interest: Interest): void
  /**
   * A write was taken or refused; what it changed has been told, for watches hear before writers.
   */
  tableWritten(name: string, key: string): void
}

/** What a packet thread is told of the store: each interest once, then its changes. */
export class TopologyFeed {
  readonly #store: Store
  readonly #listener: FeedListener
  readonly #log: Log
  readonly #watches = new Map<string, Watch>()
  #refused = 0

  constructor(store: Store, listener: FeedListener, log: Log) {
    this.#store = store
    this.#listener = listener
    this.#log = log
  }

  /** How many interests the worker has. */
  get size(): number {
    return this.#watches.size
  }

  /** Tells what there is, and what changes from then on. */
  want(interest: Interest): void {
    const key = interestKey(interest)
    if (this.#watches.has(key)) return
    const watch = 'table' in interest ? this.#watchTable(interest.table) : this.#watch(interest)
    this.#watches.set(key, watch)
    watch.ready.then(
      () => {
        if ('table' in interest) this.#listener.tableEvents(interest.table, [], true)
        else this.#listener.events(key, [], true)
      },
      error => this.#log.warn({ key, reason: reasonOf(error) }, 'a watch could not be opened')
    )
  }

  /** Tells no more of it, and says so. */
  unwant(interest: Interest): void {
    const key = interestKey(interest)
    this.#watches.get(key)?.close()
    this.#watches.delete(key)
    this.#listener.unwanted(interest)
  }

  /** Writes an entry of a shared table; the thread hears when that is done. */
  put(table: string, key: string, value: string): void {
    this.#written(table, key, this.#store.table(table).put(key, value))
  }

  /** Removes an entry, likewise. */
  remove(table: string, key: string): void {
    this.#written(table, key, this.#store.table(table).remove(key))
  }

  /** Tells nothing more. */
  close(): void {
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
  }

  #written(table: string, key: string, write: Promise<void>): void {
    void write.catch(this.#failed).then(() => this.#listener.tableWritten(table, key))
  }

  readonly #failed = (error: unknown): void => {
    // The 1st, 2nd, 4th …: a port that floods must not fill the log.
    const times = ++this.#refused
    if ((times & (times - 1)) === 0)
      this.#log.warn({ reason: reasonOf(error), times }, 'table writes were refused')
  }

  #watch(interest: Exclude<Interest, { table: string }>): Watch {
    const key = interestKey(interest)
    const told = (events: readonly WatchEvent[]): void => this.#listener.events(key, events, false)
    return this.#store.watch(interest, told, { asKnown: true })
  }

  #watchTable(name: string): Watch {
    return this.#store.table(name).watch(events => this.#listener.tableEvents(name, events, false))
  }
}
