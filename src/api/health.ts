// Whether the API can do its work: its store is read, and a write is tried.  A disk that is full, a
// file that was deleted under us: reads go on then as if nothing were, and all that is changed is
// refused, or lost.  What is worth knowing and stops nobody is a note.
// test/api/health.test.ts holds it.

import type { Clock } from '../core/clock.ts'
import type { Counters } from '../core/counters.ts'
import { reasonOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Store } from '../topology/store.ts'
import { countStore } from './store-counters.ts'

/** Whether the API can do its work. */
export interface HealthReport {
  /** degraded: what is there is served, but nothing can be changed; failing: not even that. */
  readonly status: 'ok' | 'degraded' | 'failing'
  /** Ok, or why not. */
  readonly store: string
  /** What an operator should know, and need not act on at once. */
  readonly notes: readonly string[]
}

/** What is looked at. */
export interface HealthParts {
  readonly store: Store
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  /** What the appliance has to say at the moment. */
  readonly notes: () => readonly string[]
}

// Anybody may ask, and to look is to write: so one look answers all questions of so long.
const FRESH_MS = 1_000
const LOOK_MS = 10_000

const NOBODY = '00000000-0000-4000-8000-000000000000'

/** Looks whether store and agents answer, not oftener than every so often. */
export class Health {
  readonly #parts: HealthParts
  #last: Promise<HealthReport> | undefined
  #at = 0
  #said = 'ok'
  #noted: ReadonlySet<string> = new Set()

  constructor(parts: HealthParts) {
    this.#parts = parts
    countStore(parts.store, parts.counters)
    const value = (): number => (this.#said === 'ok' ? 0 : 1)
    parts.counters.gauge('store.failing', value, '1: the store cannot be read or written')
  }

  /** The last look, or a new one when that is too old. */
  report(): Promise<HealthReport> {
    const now = this.#parts.clock.now()
    if (this.#last === undefined || now - this.#at >= FRESH_MS) {
      this.#at = now
      this.#last = this.#look()
    }
    return this.#last
  }

  /** Looks by itself as well, so that the log knows before anybody asks.  Returns the way out. */
  watch(): () => void {
    const { clock } = this.#parts
    const look = (): void => {
      void this.report()
      timer = clock.after(LOOK_MS, look)
    }
    let timer = clock.after(LOOK_MS, look)
    return () => timer.cancel()
  }

  async #look(): Promise<HealthReport> {
    const { store } = this.#parts
    const { state, fault } = store.report()
    // One of the tables, say, that somebody has damaged.
    const part =
      state === 'connected' && fault !== undefined ? [`a part of the store: ${fault}`] : []
    const notes = [...this.#parts.notes(), ...part]
    for (const note of notes) if (!this.#noted.has(note)) this.#parts.log.warn({}, note)
    this.#noted = new Set(notes)
    const unreadable = await faultOf(() => store.read('host', NOBODY))
    if (unreadable !== undefined) return this.#tell({ status: 'failing', store: unreadable, notes })
    const unwritable = await faultOf(() => store.tryWrite())
    const status = unwritable === undefined ? 'ok' : 'degraded'
    return this.#tell({ status, store: unwritable ?? 'ok', notes })
  }

  #tell(report: HealthReport): HealthReport {
    const { log } = this.#parts
    if (report.store === this.#said) return report
    this.#said = report.store
    if (report.status === 'ok') log.warn({}, 'the store is well again')
    else log.error({ status: report.status }, `the store: ${report.store}`)
    return report
  }
}

async function faultOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    return reasonOf(error)
  }
}
