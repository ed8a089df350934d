// What hosts report of objects, shown among their fields: a model says in which replicated table
// it is, and how it reads.  It is no part of the object: no version, never stored.

import type { Model, Stored } from '../topology/model.ts'
import type { Store } from '../topology/store.ts'

export class Statuses {
  readonly #store: Pick<Store, 'table'>

  constructor(store: Pick<Store, 'table'>) {
    this.#store = store
  }

  async shown(model: Model, value: Stored): Promise<Stored> {
    return (await this.allShown(model, [value]))[0]!
  }

  async allShown(model: Model, values: readonly Stored[]): Promise<readonly Stored[]> {
    const { status } = model
    if (status === undefined) return values
    const tables = new Map<string, Promise<ReadonlyMap<string, string>>>()
    const entriesOf = (name: string): Promise<ReadonlyMap<string, string>> => {
      let entries = tables.get(name)
      if (entries === undefined) tables.set(name, (entries = this.#entries(name)))
      return entries
    }
    return Promise.all(
      values.map(async value => {
        const entries = await entriesOf(status.table(value))
        return { ...value, ...status.read(value, key => entries.get(key)) }
      })
    )
  }

  async #entries(name: string): Promise<ReadonlyMap<string, string>> {
    const entries = await this.#store.table(name).entries()
    return new Map(entries.map(({ key, value }) => [key, value]))
  }
}
