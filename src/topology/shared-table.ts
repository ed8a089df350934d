// The worker's copy of a replicated table.  An own write shows at once and is pending until the
// store gives it back: what others wrote before it is then already overruled, what they write
// after it comes after it.  So no entry flaps between an old and a new value.

import type { TableEvent } from './store.ts'
import type { Table, TableListener } from './table.ts'

interface Entry {
  value: string | undefined // undefined: removed here, the store has yet to say so
  own: boolean
  pending: boolean
}

// The way to the store, from the worker.
export interface TableLink {
  put(table: string, key: string, value: string): void
  remove(table: string, key: string): void
}

export class SharedTable implements Table {
  readonly name: string
  readonly #session: string
  readonly #link: TableLink
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<TableListener>()
  #size = 0

  constructor(name: string, session: string, link: TableLink) {
    this.name = name
    this.#session = session
    this.#link = link
  }

  get size(): number {
    return this.#size
  }

  get(key: string): string | undefined {
    return this.#entries.get(key)?.value
  }

  owns(key: string): boolean {
    const entry = this.#entries.get(key)
    return entry?.own === true && entry.value !== undefined
  }

  *entries(): IterableIterator<[string, string]> {
    for (const [key, { value }] of this.#entries) if (value !== undefined) yield [key, value]
  }

  put(key: string, value: string): void {
    const entry = this.#entries.get(key)
    if (entry?.own && entry.value === value) return
    this.#set(key, value, true, true)
    this.#link.put(this.name, key, value)
  }

  remove(key: string): void {
    if (!this.owns(key)) return
    this.#set(key, undefined, true, true)
    this.#link.remove(this.name, key)
  }

  onChange(listener: TableListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  // What the store says, in its order.
  apply(events: readonly TableEvent[]): void {
    for (const event of events)
      if (event.op === 'put')
        this.#said(event.entry.key, event.entry.value, event.entry.owner === this.#session)
      else this.#said(event.key, undefined, false)
  }

  #said(key: string, value: string | undefined, own: boolean): void {
    const entry = this.#entries.get(key)
    if (entry?.pending === true) {
      const settled = value === entry.value && (own || value === undefined)
      if (!settled) return
    }
    this.#set(key, value, own, false)
  }

  #set(key: string, value: string | undefined, own: boolean, pending: boolean): void {
    const entry = this.#entries.get(key)
    const before = entry?.value
    if (value === undefined && !pending) this.#entries.delete(key)
    else if (entry === undefined) this.#entries.set(key, { value, own, pending })
    else {
      entry.value = value
      entry.own = own
      entry.pending = pending
    }
    if (before === value) return
    this.#size += (value === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
    for (const listener of this.#listeners) listener(key, value, before)
  }
}
