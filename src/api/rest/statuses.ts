// What hosts report of objects, shown among their fields: a model says in which entries of
// replicated tables it is, and how it reads.  It is no part of the object: no version, and it is
// never stored. And what is never shown is left out here. test/api/ports.test.ts holds it.

import { isFailure } from '../../core/errors.ts'
import type { Model, ObjectId, StatusEntry, Stored } from '../../topology/model.ts'
import type { Store, TableEntry } from '../../topology/store.ts'
import { writeOnlyFields } from './catalogue.ts'

// Of so many entries of a table each is asked for; of more, the table as a whole.
const ASKED_MAX = 16

type Values = ReadonlyMap<string, string | undefined>

/** Adds to objects what hosts report of them. */
export class Statuses {
  readonly #store: Pick<Store, 'table' | 'living'>

  constructor(store: Pick<Store, 'table' | 'living'>) {
    this.#store = store
  }

  /** The object with its status. */
  async shown(model: Model, value: Stored): Promise<Stored> {
    return (await this.allShown(model, [value]))[0]!
  }

  /** The objects with their statuses, each table read once. */
  async allShown(model: Model, values: readonly Stored[]): Promise<readonly Stored[]> {
    return (await this.#told(model, values)).map(value => withoutSecrets(model, value))
  }

  async #told({ status }: Model, values: readonly Stored[]): Promise<readonly Stored[]> {
    if (status === undefined) return values
    const entries = values.map(status.entries)
    const found = new Map<string, Values | undefined>()
    const tables = [...Map.groupBy(entries.flat(), each => each.table)]
    await Promise.all(
      tables.map(async ([table, wanted]) => found.set(table, await this.#values(table, wanted)))
    )
    return values.map((value, i) => {
      if (entries[i]!.some(({ table }) => found.get(table) === undefined)) return value
      const said = entries[i]!.map(({ table, key }) => found.get(table)?.get(key))
      return { ...value, ...status.read(value, said) }
    })
  }

  /** The object is gone, and with it what stood for it. */
  async forget({ status }: Model, id: ObjectId): Promise<void> {
    for (const { table, key } of status?.seeds?.(id) ?? [])
      await this.#store.table(table).unseed(key)
  }

  // Undefined: the store is away, and nothing is known of the table.
  async #values(name: string, wanted: readonly StatusEntry[]): Promise<Values | undefined> {
    try {
      return await this.#read(name, wanted)
    } catch (error) {
      if (isFailure(error, 'STORE_UNAVAILABLE')) return undefined
      throw error
    }
  }

  async #read(name: string, wanted: readonly StatusEntry[]): Promise<Values> {
    const table = this.#store.table(name)
    const prefixes = wanted.filter(({ isPrefix }) => isPrefix).map(({ key }) => key)
    if (prefixes.length > 0) return this.#beginning(await table.entries(), new Set(prefixes))
    const mortal = wanted.filter(({ ofLiving }) => ofLiving).map(({ key }) => key)
    if (mortal.length > 0) return this.#ofLiving(await table.entries(), new Set(mortal))
    const keys = new Set(wanted.map(({ key }) => key))
    const pairs =
      keys.size > ASKED_MAX
        ? (await table.entries()).map(({ key, value }) => [key, value] as const)
        : await Promise.all([...keys].map(async key => [key, await table.get(key)] as const))
    return new Map(pairs)
  }

  // Of sessions that live; each key is one of the prefixes and a rest behind its last space.
  async #beginning(entries: readonly TableEntry[], prefixes: ReadonlySet<string>): Promise<Values> {
    const living = await this.#store.living(entries.map(({ owner }) => owner))
    const found = new Map<string, [string, string][]>([...prefixes].map(each => [each, []]))
    for (const { key, value, owner } of entries) {
      const rest = key.slice(key.lastIndexOf(' ') + 1)
      if (living.has(owner)) found.get(key.slice(0, -rest.length))?.push([rest, value])
    }
    return new Map([...found].map(([key, rows]) => [key, JSON.stringify(rows)]))
  }

  async #ofLiving(entries: readonly TableEntry[], mortal: ReadonlySet<string>): Promise<Values> {
    const living = await this.#store.living(entries.map(({ owner }) => owner))
    const left = entries.filter(({ key, owner }) => !mortal.has(key) || living.has(owner))
    return new Map(left.map(({ key, value }) => [key, value]))
  }
}

function withoutSecrets(model: Model, value: Stored): Stored {
  const hidden = writeOnlyFields(model)
  if (hidden.length === 0) return value
  const shown = Object.entries(value).filter(([field]) => !hidden.includes(field))
  return Object.fromEntries(shown) as unknown as Stored
}
