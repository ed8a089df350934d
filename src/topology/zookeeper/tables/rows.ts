// The rows of one table, as its log makes them: every process that follows the log has the same.
// Each owner has at most one row under a key.  What is seen is the newest row of an owner whose
// session lasts, or else the seed (owner '').  A put removes the rows of others that say otherwise:
// their claim is refuted, and must not come back when the refuter leaves.  Rows that agree stay.

import { SEED } from '../../sqlite/entries.ts'
import type { TableEntry, TableEvent } from '../../store.ts'

/** One step of a change.  Without a value: the owner's row goes, if it says `was` when given. */
export interface Step {
  /** Session that owns the row; '' for a seed. */
  readonly owner: string
  /** The row's key. */
  readonly key: string
  /** The row's new value; undefined: the row is removed. */
  readonly value?: string | undefined
  /** The row is removed only if it has this value; undefined: whatever it has. */
  readonly was?: string | undefined
}

interface Row {
  readonly owner: string
  readonly value: string
  readonly version: number
}

interface Slot {
  rows: readonly Row[]
  shown: TableEntry | undefined
}

/** Steps of one change; each has a version of its own. */
export const STEPS_MAX = 512

/** The entries of a table, by owner and key. */
export class Rows {
  readonly #lasts: (owner: string) => boolean
  readonly #slots = new Map<string, Slot>()
  readonly #keys = new Map<string, Set<string>>() // by owner
  #size = 0

  /** `lasts`: whether the session of an owner has not ended. */
  constructor(lasts: (owner: string) => boolean) {
    this.#lasts = lasts
  }

  /** How many rows there are, of all owners. */
  get size(): number {
    return this.#size
  }

  /** Sessions that own entries. */
  get owners(): Iterable<string> {
    return this.#keys.keys()
  }

  /** Whether the session owns an entry. */
  owns(owner: string): boolean {
    return this.#keys.has(owner)
  }

  /**
   * The value that is seen under a key: of the newest row whose owner's session lasts, else of a
   * seed.
   */
  get(key: string): string | undefined {
    return this.#slots.get(key)?.shown?.value
  }

  /** All that is seen, in no order. */
  *shown(): Generator<TableEntry> {
    for (const { shown } of this.#slots.values()) if (shown !== undefined) yield shown
  }

  /** The rows of an owner, as steps that would make them again. */
  *of(owner: string): Generator<Step> {
    for (const key of this.#keys.get(owner) ?? []) {
      const row = this.#slots.get(key)!.rows.find(each => each.owner === owner)!
      yield { owner, key, value: row.value }
    }
  }

  /** Takes in change n; gives what is seen of it. */
  apply(n: number, steps: readonly Step[]): TableEvent[] {
    const events: TableEvent[] = []
    for (const [i, step] of steps.entries()) {
      this.#take(step, n * STEPS_MAX + i)
      this.#show(step.key, events)
    }
    return events
  }

  /** The session of an owner began or ended. */
  look(owner: string): TableEvent[] {
    const events: TableEvent[] = []
    for (const key of [...(this.#keys.get(owner) ?? [])]) this.#show(key, events)
    return events
  }

  /** The rows as lines of JSON, without those of owners whose sessions have ended. */
  *lines(): Generator<string> {
    for (const [key, { rows }] of this.#slots)
      for (const { owner, value, version } of rows)
        if (this.#isSeen(owner)) yield JSON.stringify([owner, key, value, version])
  }

  /** Puts rows in the place of all that is there; gives the difference that is seen. */
  load(lines: Iterable<string>): TableEvent[] {
    const before = [...this.#slots.keys()]
    for (const slot of this.#slots.values()) slot.rows = []
    this.#keys.clear()
    this.#size = 0
    const events: TableEvent[] = []
    for (const line of lines) {
      const [owner, key, value, version] = JSON.parse(line) as [string, string, string, number]
      this.#add(key, { owner, value, version })
    }
    for (const key of before) this.#show(key, events)
    for (const key of [...this.#slots.keys()]) this.#show(key, events)
    return events
  }

  #take({ owner, key, value, was }: Step, version: number): void {
    const rows = this.#slots.get(key)?.rows ?? []
    const own = rows.find(each => each.owner === owner)
    if (value === undefined) {
      if (own !== undefined && (was === undefined || was === own.value)) this.#drop(key, own)
      return
    }
    if (own?.value === value) return
    for (const row of rows) {
      const isRefuted = owner !== SEED && row.owner !== SEED && row.value !== value
      if (row === own || isRefuted) this.#drop(key, row)
    }
    this.#add(key, { owner, value, version })
  }

  #add(key: string, row: Row): void {
    const slot = this.#slots.get(key)
    if (slot === undefined) this.#slots.set(key, { rows: [row], shown: undefined })
    else slot.rows = [...slot.rows, row]
    const keys = this.#keys.get(row.owner)
    if (keys === undefined) this.#keys.set(row.owner, new Set([key]))
    else keys.add(key)
    this.#size++
  }

  #drop(key: string, row: Row): void {
    const slot = this.#slots.get(key)!
    slot.rows = slot.rows.filter(each => each !== row)
    const keys = this.#keys.get(row.owner)
    keys?.delete(key)
    if (keys?.size === 0) this.#keys.delete(row.owner)
    this.#size--
  }

  #isSeen(owner: string): boolean {
    return owner === SEED || this.#lasts(owner)
  }

  // Brings what is shown under a key up to date.
  #show(key: string, events: TableEvent[]): void {
    const slot = this.#slots.get(key)
    if (slot === undefined) return
    const { shown, rows } = slot
    const row = this.#winner(rows)
    if (rows.length === 0) this.#slots.delete(key)
    if (row?.owner === shown?.owner && row?.value === shown?.value) return
    if (row === undefined) {
      slot.shown = undefined
      events.push(Object.freeze({ op: 'delete', key }))
    } else {
      const entry = Object.freeze({ key, ...row })
      slot.shown = entry
      events.push(Object.freeze({ op: 'put', entry }))
    }
  }

  #winner(rows: readonly Row[]): Row | undefined {
    let winner: Row | undefined
    for (const row of rows) {
      if (!this.#isSeen(row.owner)) continue
      if (winner === undefined || winner.owner === SEED) winner = row
      else if (row.owner !== SEED && row.version > winner.version) winner = row
    }
    return winner
  }
}
