// What the contract needs of a store under test, and what its tests share: further sessions,
// waiting for what arrives in its own time, and copies kept by watches.

import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { SystemClock, sleep } from '../../src/core/clock.ts'
import { type ErrorCode, isFailure } from '../../src/core/errors.ts'
import type { Model, Stored } from '../../src/topology/model.ts'
import type {
  Interest,
  ReplicatedTable,
  Store,
  TableEvent,
  Versioned,
  WatchEvent
} from '../../src/topology/store.ts'

/** One empty store that lasts for a test, and the sessions on it. */
export interface Ground {
  session(label?: string): Promise<Store>
  /** Closes what is still open and removes every trace. */
  close(): Promise<void>
}

export type NewGround = (models: readonly Model[]) => Promise<Ground>

const clock = new SystemClock()
// Only what never comes takes that long: FRR's return to a zebra that was killed takes 10 s of an
// idle machine, and took 15 s at a load of 17.
const PATIENCE_MS = 60_000
const LOOK_MS = 2 // at first; then ever more rarely
const LOOK_MS_MAX = 50

/** Waits until the check passes; a store that never gets there fails with its last words. */
export async function eventually(check: () => unknown): Promise<void> {
  const until = clock.now() + PATIENCE_MS
  for (let waitMs = LOOK_MS; ; waitMs = Math.min(waitMs * 1.5, LOOK_MS_MAX)) {
    try {
      await check()
      return
    } catch (error) {
      if (clock.now() > until) throw error
      await sleep(clock, waitMs)
    }
  }
}

/** Deeply equal.  Says little when not: the difference of thousands of objects takes minutes. */
export function assertSame(actual: readonly unknown[], expected: readonly unknown[]): void {
  if (isDeepStrictEqual(actual, expected)) return
  if (actual.length + expected.length < 20) assert.deepEqual(actual, expected)
  const at = expected.findIndex((item, i) => !isDeepStrictEqual(actual[i], item))
  const found = at < 0 ? 'more' : JSON.stringify(actual[at])
  const wanted = at < 0 ? 'no more' : JSON.stringify(expected[at])
  assert.fail(`${actual.length} against ${expected.length}; item ${at}: ${found}, not ${wanted}`)
}

/** The write is refused with this code and a sentence that names all of these. */
export async function refused(
  attempt: Promise<unknown>,
  code: ErrorCode,
  ...words: (string | RegExp)[]
): Promise<void> {
  await assert.rejects(attempt, error => {
    assert.ok(isFailure(error, code), `${code} expected, got ${error}`)
    for (const word of words) assert.match(error.message, new RegExp(word))
    return true
  })
}

export async function all(list: AsyncIterable<Versioned>): Promise<Versioned[]> {
  const found: Versioned[] = []
  for await (const object of list) found.push(object)
  return found
}

export const valuesOf = (objects: readonly Versioned[]): Stored[] => objects.map(o => o.value)

/** A copy that knows only what a watch told.  Each call of the listener is kept as well. */
export class Replica {
  readonly objects = new Map<string, Versioned>()
  readonly calls: (readonly WatchEvent[])[] = []
  readonly ready: Promise<void>
  readonly close: () => void

  constructor(store: Store, interest: Exclude<Interest, { table: string }>) {
    const watch = store.watch(interest, events => this.#take(events))
    this.ready = watch.ready
    this.close = () => watch.close()
  }

  get values(): Stored[] {
    return valuesOf(this.sorted)
  }

  get sorted(): Versioned[] {
    return [...this.objects.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  #take(events: readonly WatchEvent[]): void {
    assert.ok(events.length > 0, 'a listener is never called without an event')
    this.calls.push(events)
    for (const event of events)
      if (event.op === 'delete') {
        assert.ok(this.objects.delete(event.id), `${event.id} is deleted but was never told`)
      } else {
        const { id, version } = event.object
        const known = this.objects.get(id)?.version ?? 0
        assert.ok(version > known, `${id}: version ${version} after ${known}`)
        this.objects.set(id, event.object)
      }
  }
}

/** The same of a replicated table. */
export class TableReplica {
  readonly entries = new Map<string, string>()
  readonly events: TableEvent[] = []
  readonly ready: Promise<void>
  readonly close: () => void

  constructor(table: ReplicatedTable) {
    const watch = table.watch(events => {
      for (const event of events) this.#take(event)
    })
    this.ready = watch.ready
    this.close = () => watch.close()
  }

  get sorted(): [string, string][] {
    return [...this.entries].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  #take(event: TableEvent): void {
    this.events.push(event)
    if (event.op === 'put') this.entries.set(event.entry.key, event.entry.value)
    else assert.ok(this.entries.delete(event.key), `${event.key} is deleted but was never told`)
  }
}

export const pairs = async (table: ReplicatedTable): Promise<[string, string][]> =>
  (await table.entries()).map(({ key, value }): [string, string] => [key, value])
