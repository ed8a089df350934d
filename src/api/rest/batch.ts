// Objects that are to be made together, over those that are there: whoever makes the next one sees
// the earlier ones as if they were stored. test/api/batch.test.ts holds it.

import { fail } from '../../core/errors.ts'
import type { ObjectId, Stored } from '../../topology/model.ts'
import type { Change, Versioned } from '../../topology/store.ts'
import type { Reader, Update } from './maker.ts'

/** Changes that are not yet written, and the objects as they will be then. */
export class Batch implements Reader {
  readonly #store: Reader
  readonly #changes = new Map<string, Exclude<Change, { readonly op: 'delete' }>>()

  constructor(store: Reader) {
    this.#store = store
  }

  /** What is to be written, in order. */
  get changes(): Change[] {
    return [...this.#changes.values()]
  }

  /** Throws EXISTS when the batch has the id already; the store refuses one that it has. */
  create(kind: string, value: Stored): void {
    const key = keyOf(kind, value.id)
    if (this.#changes.has(key)) throw fail('EXISTS', { kind, id: value.id })
    this.#changes.set(key, { op: 'create', kind, value })
  }

  /** An object of the store or of the batch is to be so. */
  update(change: Update): void {
    const key = keyOf(change.kind, change.value.id)
    const before = this.#changes.get(key)
    this.#changes.set(key, before === undefined ? change : { ...before, value: change.value })
  }

  /** The object as the batch will leave it; undefined: there is none. */
  async read(kind: string, id: ObjectId): Promise<Versioned | undefined> {
    const change = this.#changes.get(keyOf(kind, id))
    return change === undefined ? this.#store.read(kind, id) : asStored(change)
  }

  /** Those of the store as the batch will leave them, then those of the batch. */
  async *list(kind: string, index?: { field: string; value: string }): AsyncGenerator<Versioned> {
    for await (const object of this.#store.list(kind, ...(index === undefined ? [] : [index])))
      if (!this.#changes.has(keyOf(kind, object.id))) yield object
    for (const change of this.#changes.values())
      if (change.kind === kind && (index === undefined || isOf(change.value, index)))
        yield asStored(change)
  }
}

const keyOf = (kind: string, id: ObjectId): string => `${kind} ${id}`

// What is new has no version yet: nobody can have named one.
const asStored = (change: Exclude<Change, { readonly op: 'delete' }>): Versioned => {
  const version = (change.op === 'update' ? change.version : undefined) ?? 0
  return { kind: change.kind, id: change.value.id, version, value: change.value }
}

function isOf(value: Stored, { field, value: wanted }: { field: string; value: string }): boolean {
  const own = value[field]
  return Array.isArray(own) ? own.includes(wanted) : own === wanted
}
