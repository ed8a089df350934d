// Who hears of which object.  A row of the log finds its watches by kind, by id and by the indexed
// values before and after, so that the cost of a change is the number of those who care.
// test/store/sqlite.test.ts holds it.

import type { ObjectId } from '../model.ts'
import type { WatchEvent } from '../store.ts'
import { texts } from '../write/indexing.ts'
import type { Index } from '../write/kinds.ts'
import type { Database } from './database.ts'
import { beforeOf, type ObjectLogRow, type Objects, stepOf } from './objects.ts'
import { byWrite, type Step, type WatchCursor } from './watch-cursor.ts'

type Watcher = WatchCursor<WatchEvent>
type Steps = Map<Watcher, Step<WatchEvent>[]>

interface Audience {
  readonly all: Set<Watcher>
  readonly byId: Map<string, Set<Watcher>>
  readonly byField: Map<string, Map<string, Set<Watcher>>>
}

// Rows read at a time; a write is never split.
const ROWS = 512

/** Tells watchers of objects what has changed. */
export class ObjectFeed {
  readonly #database: Database
  readonly #objects: Objects
  readonly #audiences = new Map<string, Audience>()
  #position: number

  constructor(database: Database, objects: Objects) {
    this.#database = database
    this.#objects = objects
    this.#position = objects.head()
  }

  /** The watcher hears of the kind, of those with a field, or of one object. */
  add(watcher: Watcher, kind: string, index: Index | undefined, id: ObjectId | undefined): void {
    this.#set(kind, index, id).add(watcher)
  }

  /** It does no more. */
  remove(watcher: Watcher, kind: string, index: Index | undefined, id: ObjectId | undefined): void {
    const set = this.#set(kind, index, id)
    set.delete(watcher)
    if (set.size > 0) return
    const audience = this.#audiences.get(kind)!
    if (id !== undefined) audience.byId.delete(id)
    else if (index !== undefined) forget(audience.byField, index)
    if (audience.all.size + audience.byId.size + audience.byField.size === 0)
      this.#audiences.delete(kind)
  }

  /** Tells what is new; true when there is more.  `lost` gets those the log no longer serves. */
  catchUp(lost: (watcher: Watcher) => void): boolean {
    if (this.#audiences.size === 0) {
      this.#position = this.#objects.head()
      return false
    }
    const { rows, oldest } = this.#database.read(() => ({
      oldest: this.#objects.oldest(),
      rows: this.#objects.log(this.#position, ROWS)
    }))
    if (oldest > this.#position + 1) {
      this.#position = this.#objects.head()
      for (const watcher of this.#everybody()) lost(watcher)
      return false
    }
    this.#position = rows.at(-1)?.n ?? this.#position
    for (const write of byWrite(rows)) this.#tell(write)
    return rows.length >= ROWS
  }

  #tell(rows: readonly ObjectLogRow[]): void {
    const steps: Steps = new Map()
    for (const row of rows) this.#route(row, steps)
    for (const [watcher, own] of steps) if (watcher.live) watcher.apply(own)
  }

  #route(row: ObjectLogRow, steps: Steps): void {
    const audience = this.#audiences.get(row.kind)
    if (audience === undefined) return
    const { all, byId, byField } = audience
    if (all.size + byField.size === 0 && !byId.has(row.id)) return // nobody: spare the parsing
    const step = stepOf(row, undefined)
    for (const watcher of all) push(steps, watcher, step)
    for (const watcher of byId.get(row.id) ?? []) push(steps, watcher, step)
    if (byField.size === 0) return
    const before = beforeOf(row)
    const after = step.put?.()
    for (const [field, values] of byField) {
      const now = after?.op === 'put' ? texts(after.object.value[field]) : []
      for (const value of new Set([...(before[field] ?? []), ...now])) {
        const own = now.includes(value) ? step : { ...step, put: undefined }
        for (const watcher of values.get(value) ?? []) push(steps, watcher, own)
      }
    }
  }

  *#everybody(): Generator<Watcher> {
    for (const { all, byId, byField } of this.#audiences.values()) {
      yield* all
      for (const set of byId.values()) yield* set
      for (const values of byField.values()) for (const set of values.values()) yield* set
    }
  }

  #set(kind: string, index: Index | undefined, id: ObjectId | undefined): Set<Watcher> {
    const fresh = { all: new Set<Watcher>(), byId: new Map(), byField: new Map() }
    const audience: Audience = entry(this.#audiences, kind, fresh)
    if (id !== undefined) return entry(audience.byId, id, new Set())
    if (index === undefined) return audience.all
    return entry(entry(audience.byField, index.field, new Map()), index.value, new Set())
  }
}

function push(steps: Steps, watcher: Watcher, step: Step<WatchEvent>): void {
  entry(steps, watcher, []).push(step)
}

function entry<K, V>(map: Map<K, V>, key: K, fresh: V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = fresh))
  return value
}

function forget(byField: Audience['byField'], { field, value }: Index): void {
  const values = byField.get(field)
  values?.delete(value)
  if (values?.size === 0) byField.delete(field)
}
