// The store as the world's hosts see it: objects and tables in memory, every change told to
// everybody who asked, in one order, one turn of the virtual clock later.

import type { Clock } from '../../src/core/clock.ts'
import { type Interest, interestKey } from '../../src/topology/interest.ts'
import type { Stored } from '../../src/topology/model.ts'
import type { TableEntry, TableEvent, Versioned, WatchEvent } from '../../src/topology/store.ts'
import type { TopologyView, ViewLink } from '../../src/topology/view.ts'
import { WorldLeases } from './leases.ts'

interface Subscriber {
  readonly interest: Interest
  readonly view: () => TopologyView
}

export interface WorldObject {
  readonly kind: string
  readonly value: Stored
}

export class WorldStore {
  readonly leases = new WorldLeases()
  readonly #clock: Clock
  readonly #objects = new Map<string, Versioned>()
  readonly #tables = new Map<string, Map<string, TableEntry>>()
  readonly #subscribers: Subscriber[] = []
  #version = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  link(session: string, view: () => TopologyView): ViewLink {
    return {
      session,
      want: interest => this.#clock.soon(() => this.#subscribe({ interest, view })),
      unwant: interest =>
        this.#clock.soon(() => {
          this.#unsubscribe(interest, view())
          view().unwanted(interest)
        }),
      put: (table, key, value) =>
        this.#clock.soon(() => {
          this.tablePut(table, key, value, session)
          view().tableWritten(table, key)
        }),
      remove: (table, key) =>
        this.#clock.soon(() => {
          this.tableRemove(table, key, session)
          view().tableWritten(table, key)
        })
    }
  }

  put(kind: string, value: Stored): void {
    const key = `${kind}/${value.id}`
    const before = this.#objects.get(key)
    const object = { kind, id: value.id, version: ++this.#version, value }
    this.#objects.set(key, object)
    for (const { interest, view } of this.#subscribers) {
      if (matches(interest, object)) view().apply(interestKey(interest), [put(object)], false)
      else if (before !== undefined && matches(interest, before))
        view().apply(interestKey(interest), [{ op: 'delete', kind, id: value.id }], false)
    }
  }

  delete(kind: string, id: string): void {
    const before = this.#objects.get(`${kind}/${id}`)
    if (before === undefined) return
    this.#objects.delete(`${kind}/${id}`)
    for (const { interest, view } of this.#subscribers)
      if (matches(interest, before))
        view().apply(interestKey(interest), [{ op: 'delete', kind, id }], false)
  }

  get(kind: string, id: string): Stored | undefined {
    return this.#objects.get(`${kind}/${id}`)?.value
  }

  list(kind: string): Stored[] {
    return [...this.#objects.values()].filter(each => each.kind === kind).map(each => each.value)
  }

  table(name: string): Map<string, TableEntry> {
    let table = this.#tables.get(name)
    if (table === undefined) this.#tables.set(name, (table = new Map()))
    return table
  }

  tablePut(name: string, key: string, value: string, owner: string): void {
    const entry = { key, value, owner, version: ++this.#version }
    this.table(name).set(key, entry)
    this.#tell(name, [{ op: 'put', entry }])
  }

  tableRemove(name: string, key: string, owner: string): void {
    if (this.table(name).get(key)?.owner !== owner) return
    this.table(name).delete(key)
    this.#tell(name, [{ op: 'delete', key }])
  }

  // A host is gone: what it owned goes with it.
  forget(owner: string): void {
    this.leases.forget(owner)
    for (const [name, table] of this.#tables)
      for (const entry of [...table.values()])
        if (entry.owner === owner) this.tableRemove(name, entry.key, owner)
    for (let i = this.#subscribers.length - 1; i >= 0; i--)
      if (this.#subscribers[i]!.view().session === owner) this.#subscribers.splice(i, 1)
  }

  #tell(table: string, events: readonly TableEvent[]): void {
    for (const { interest, view } of this.#subscribers)
      if ('table' in interest && interest.table === table) view().applyTable(table, events, false)
  }

  #unsubscribe(interest: Interest, view: TopologyView): void {
    const key = interestKey(interest)
    const at = this.#subscribers.findIndex(
      each => each.view() === view && interestKey(each.interest) === key
    )
    this.#subscribers.splice(at, 1)
  }

  #subscribe(subscriber: Subscriber): void {
    this.#subscribers.push(subscriber)
    const { interest, view } = subscriber
    if ('table' in interest) {
      const entries = [...this.table(interest.table).values()]
      const events = entries.map(entry => ({ op: 'put' as const, entry }))
      return view().applyTable(interest.table, events, true)
    }
    const objects = [...this.#objects.values()].filter(each => matches(interest, each))
    view().apply(interestKey(interest), objects.map(put), true)
  }
}

const put = (object: Versioned): WatchEvent => ({ op: 'put', object })

function matches(interest: Interest, { kind, id, value }: Versioned): boolean {
  if ('table' in interest || interest.kind !== kind) return false
  if ('id' in interest) return interest.id === id
  if (!('field' in interest)) return true
  const field = value[interest.field]
  return Array.isArray(field) ? field.includes(interest.value) : field === interest.value
}
