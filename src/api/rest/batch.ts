// Objects that are to be made together, over those that are there: whoever makes the next one sees
// the earlier ones as if they were stored. Siblings in order are read once, whatever comes to them.
// test/api/batch.test.ts holds it.

import { fail } from '../../core/errors.ts'
import type { Model, ObjectId, Stored } from '../../topology/model.ts'
import type { Change, Versioned } from '../../topology/store.ts'
import { ownerOf } from './catalogue.ts'
import { type Reader, siblingsOf, updateOf } from './maker.ts'
import type { Siblings } from './order.ts'

interface Row {
  readonly kind: string
  readonly field: string
  readonly siblings: Siblings
}

/** New objects that are not yet written, and the siblings that make room for them. */
export class Batch implements Reader {
  readonly #store: Reader
  readonly #made = new Map<string, { readonly kind: string; readonly value: Stored }>()
  readonly #rows = new Map<string, Row>() // by kind and owner

  constructor(store: Reader) {
    this.#store = store
  }

  /** What is to be written, in order. */
  get changes(): Change[] {
    const made = new Map(this.#made)
    const moved: Change[] = []
    for (const { kind, field, siblings } of this.#rows.values()) {
      for (const [id, position] of siblings.come) {
        const key = keyOf(kind, id)
        made.set(key, { kind, value: { ...made.get(key)!.value, [field]: position } })
      }
      moved.push(...siblings.moved.map(each => updateOf(kind, field, each)))
    }
    const created = [...made.values()].map(each => ({ op: 'create' as const, ...each }))
    return [...created, ...moved]
  }

  /** Throws EXISTS when the batch has the id already; the store refuses one that it has. */
  async create(model: Model, value: Stored): Promise<void> {
    const { kind } = model
    const key = keyOf(kind, value.id)
    if (this.#made.has(key)) throw fail('EXISTS', { kind, id: value.id })
    const row = await this.#rowOf(model, value)
    row?.siblings.add(value.id, value[row.field] as number | undefined)
    this.#made.set(key, { kind, value })
  }

  /** The object, of the batch or of the store; undefined: there is none. */
  async read(kind: string, id: ObjectId): Promise<Versioned | undefined> {
    const made = this.#made.get(keyOf(kind, id))
    if (made === undefined) return this.#store.read(kind, id)
    return { kind, id, version: 0, value: made.value } // nobody can have named one yet
  }

  /** Those of the store, as they are, then those of the batch; their positions come last. */
  async *list(kind: string, index?: { field: string; value: string }): AsyncGenerator<Versioned> {
    yield* this.#store.list(kind, ...(index === undefined ? [] : [index]))
    for (const made of this.#made.values())
      if (made.kind === kind && (index === undefined || isOf(made.value, index)))
        yield { kind, id: made.value.id, version: 0, value: made.value }
  }

  // Undefined: objects of this kind stand in no order.
  async #rowOf(model: Model, value: Stored): Promise<Row | undefined> {
    const { kind, ordered: field } = model
    const owner = ownerOf(model)
    if (field === undefined || owner === undefined) return undefined
    const key = keyOf(kind, String(value[owner.field]))
    let row = this.#rows.get(key)
    if (row === undefined) {
      const siblings = await siblingsOf(this.#store, model, value)
      this.#rows.set(key, (row = { kind, field, siblings }))
    }
    return row
  }
}

const keyOf = (kind: string, id: string): string => `${kind} ${id}`

function isOf(value: Stored, { field, value: wanted }: { field: string; value: string }): boolean {
  const own = value[field]
  return Array.isArray(own) ? own.includes(wanted) : own === wanted
}
