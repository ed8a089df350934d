// Who listens to a table.  What there is at the beginning is told in pages, and so is what comes
// in masses (the rows of a host that is gone): the event loop has its turns in between.  A few
// events are told at once, within the turn that brought them.
// test/zookeeper/tables.test.ts holds it, and the contract of test/store.

import type { Clock } from '../../../core/clock.ts'
import { Pace } from '../../../core/pace.ts'
import type { TableEvent } from '../../store.ts'

const PAGE = 256

/** One watch of a table: pages of events, in order. */
export class TableWatcher {
  /** Resolves when all that there is has been told. */
  readonly ready: Promise<void>
  readonly #listener: (events: readonly TableEvent[]) => void
  readonly #clock: Clock
  #pages: (readonly TableEvent[])[] = []
  #telling: Promise<void> | undefined
  #isClosed = false
  #isReady: () => void = () => {}

  constructor(clock: Clock, listener: (events: readonly TableEvent[]) => void) {
    this.#clock = clock
    this.#listener = listener
    this.ready = new Promise(done => {
      this.#isReady = done
    })
  }

  /** Tells all there is, before the first change. */
  begin(events: readonly TableEvent[]): void {
    this.tell(events)
    void this.idle().then(this.#isReady)
  }

  /** Tells events, a page a turn. */
  tell(events: readonly TableEvent[]): void {
    if (this.#isClosed || events.length === 0) return
    if (this.#telling === undefined && events.length <= PAGE) return this.#say(events)
    for (let at = 0; at < events.length; at += PAGE) this.#pages.push(events.slice(at, at + PAGE))
    this.#telling ??= this.#tellAll()
  }

  /** Resolves when everything it was given so far has been told. */
  async idle(): Promise<void> {
    while (this.#telling !== undefined) await this.#telling
  }

  /** Tells nothing more. */
  close(): void {
    this.#isClosed = true
    this.#pages = []
    this.#isReady()
  }

  async #tellAll(): Promise<void> {
    const pace = new Pace(this.#clock)
    while (this.#pages.length > 0) {
      const pages = this.#pages
      this.#pages = []
      for (const page of pages) {
        await pace.breathe()
        this.#say(page)
      }
    }
    this.#telling = undefined
  }

  #say(events: readonly TableEvent[]): void {
    if (this.#isClosed) return
    try {
      this.#listener(events)
    } catch (error) {
      // Our fault, not the store's: the process ends, but other listeners have heard.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
