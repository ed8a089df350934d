// The worker's copy of a replicated table.  An own write shows at once and stands until the store
// has taken all own writes of the key and told what it made of them; then the store's word stands.
// So no entry flaps between an old and a new value, and none is at odds with the store for good:
//
//   mine    put a ─────── put b ───────────────┐         shown: a, b, b, b, then what was said last
//   store        said x ───── said a ── said b ─┴ both taken

import type { TableEvent } from '../store.ts'
import type { Estates } from './estates.ts'
import type { Table, TableListener } from './table.ts'

interface OwnedEntry {
  said: string | undefined // by the store, last
  owner: string | undefined // the session that said it
  mine: string | undefined // what own writes made of it; undefined: removed
  writes: number // own writes the store has yet to take
}

/**
 * The way to the store, from the worker. Each write is answered by `SharedTable.written`, after the
 * events it gave rise to, whether it did anything or not.
 */
export interface TableLink {
  /** Writes an entry to the store. */
  put(table: string, key: string, value: string): void
  /** Removes an entry of ours. */
  remove(table: string, key: string): void
}

/** A shared table as this host knows it, with what it is about to write. */
export class SharedTable implements Table {
  readonly name: string
  readonly #session: string
  readonly #link: TableLink
  readonly #estates: Estates | null
  #isLasting = false
  readonly #entries = new Map<string, OwnedEntry>()
  readonly #listeners = new Set<TableListener>()
  #size = 0

  constructor(name: string, session: string, link: TableLink, estates: Estates | null = null) {
    this.name = name
    this.#session = session
    this.#link = link
    this.#estates = estates
  }

  get size(): number {
    return this.#size
  }

  get(key: string): string | undefined {
    return shown(this.#entries.get(key))
  }

  owns(key: string): boolean {
    const entry = this.#entries.get(key)
    if (shown(entry) === undefined) return false
    return entry!.writes > 0 || entry!.owner === this.#session
  }

  *entries(): IterableIterator<[string, string]> {
    for (const [key, entry] of this.#entries) {
      const value = shown(entry)
      if (value !== undefined) yield [key, value]
    }
  }

  /** Own writes are under way. */
  get isWriting(): boolean {
    for (const { writes } of this.#entries.values()) if (writes > 0) return true
    return false
  }

  /** What the store has said is told anew. */
  forget(): void {
    for (const key of [...this.#entries.keys()]) this.#said(key, undefined, undefined)
  }

  put(key: string, value: string): void {
    if (this.owns(key) && this.get(key) === value) return
    this.#write(key, value)
    this.#link.put(this.name, key, value)
  }

  remove(key: string): void {
    if (!this.owns(key)) return
    this.#write(key, undefined)
    this.#link.remove(this.name, key)
  }

  onChange(listener: TableListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** What the store says, in its order. */
  apply(events: readonly TableEvent[]): void {
    for (const event of events)
      if (event.op === 'put') {
        const { key, value, owner } = event.entry
        this.#said(key, value, owner)
        this.#inherit(key, owner)
      } else this.#gone(event.key)
  }

  /** From now on rows outlast their writers, and pass on to those who follow them. */
  last(): void {
    this.#isLasting = true
    this.inherit()
  }

  /** Takes over what the agents before us wrote. */
  inherit(): void {
    for (const [key, { owner }] of this.#entries) if (owner !== undefined) this.#inherit(key, owner)
  }

  #inherit(key: string, from: string): void {
    if (!this.#isLasting || this.#estates?.isPredecessor(from) !== true) return
    this.#estates.inherit(() => {
      const entry = this.#entries.get(key)
      if (entry?.owner === from && entry.writes === 0 && entry.said !== undefined)
        this.put(key, entry.said)
    })
  }

  // The store has removed it.  A row of an agent that is away stays for a while.
  #gone(key: string): void {
    const entry = this.#entries.get(key)
    if (entry?.said === undefined) return
    const { said, owner } = entry
    const go = (): void => {
      if (entry.owner === owner && entry.said === said) this.#said(key, undefined, undefined)
    }
    const isKept = this.#isLasting && owner !== undefined && this.#estates?.keeps(owner, go)
    if (isKept !== true) go()
  }

  /** The store has taken the oldest own write of the key, or refused it. */
  written(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.writes === 0) return
    this.#change(key, () => {
      entry.writes--
    })
  }

  #write(key: string, value: string | undefined): void {
    this.#change(key, entry => {
      entry.mine = value
      entry.writes++
    })
  }

  #said(key: string, value: string | undefined, owner: string | undefined): void {
    this.#change(key, entry => {
      entry.said = value
      entry.owner = owner
    })
  }

  #change(key: string, change: (entry: OwnedEntry) => void): void {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { said: undefined, owner: undefined, mine: undefined, writes: 0 }
      this.#entries.set(key, entry)
    }
    const before = shown(entry)
    change(entry)
    const value = shown(entry)
    if (value === undefined && entry.writes === 0) this.#entries.delete(key)
    if (before === value) return
    this.#size += (value === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
    for (const listener of this.#listeners) listener(key, value, before)
  }
}

const shown = (entry: OwnedEntry | undefined): string | undefined =>
  entry === undefined ? undefined : entry.writes > 0 ? entry.mine : entry.said
