// The objects a write touches, as they were and as they will be.
// test/store/sqlite.test.ts holds it.

import { fail } from '../../core/errors.ts'
import type { Model, Stored } from '../model.ts'
import type { Versioned } from '../store.ts'
import { kindsOf, type Pointer, textOf } from './indexing.ts'
import type { Records } from './records.ts'

/** Objects of one write, at most: it holds the store and the event loop until it is done. */
export const CHANGES_MAX = 10_000

/** An object before and after the write; undefined: it does not exist. */
export interface Draft {
  readonly model: Model
  readonly id: string
  /** The object as it is stored; undefined: there is none. */
  readonly before: Versioned | undefined
  /** The object as it will be; undefined: it goes. */
  after: Stored | undefined
}

/** The objects that a write changes, before it is made. */
export class Drafts {
  readonly #records: Records
  readonly #drafts = new Map<string, Draft>()

  constructor(records: Records) {
    this.#records = records
  }

  /** The draft of an object, begun when the write touches it for the first time. */
  of(model: Model, id: string): Draft {
    const key = `${model.kind} ${id}`
    let draft = this.#drafts.get(key)
    if (draft !== undefined) return draft
    if (this.#drafts.size >= CHANGES_MAX)
      throw fail('LIMIT', { what: 'a single write, with all it drags along,', limit: CHANGES_MAX })
    const before = this.#records.read(model.kind, id)
    draft = { model, id, before, after: before?.value }
    this.#drafts.set(key, draft)
    return draft
  }

  /** Those that do not exist after the write. */
  get gone(): Draft[] {
    return [...this.#drafts.values()].filter(draft => draft.after === undefined)
  }

  /** Those that the write changes. */
  get changed(): Draft[] {
    return [...this.#drafts.values()].filter(differs)
  }

  /** The kind of the object at the end of a pointer, after the write; undefined: there is none. */
  kindOf({ reference, target }: Pointer): string | undefined {
    return kindsOf(reference).find(kind => this.isThere(kind, target))
  }

  /** Whether there is such an object after the write. */
  isThere(kind: string, id: string): boolean {
    const draft = this.#drafts.get(`${kind} ${id}`)
    return draft === undefined ? this.#records.exists(kind, id) : draft.after !== undefined
  }
}

const differs = ({ model, before, after }: Draft): boolean => {
  if (before === undefined || after === undefined) return before !== after
  return textOf(model, before.value) !== textOf(model, after)
}
