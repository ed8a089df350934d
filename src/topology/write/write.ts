// One atomic write.  Changes are first made on drafts, in memory; what a deletion drags along
// follows; then the outcome as a whole is checked and put away.  So two objects may point at each
// other, or swap a unique name, within one write.  A throw anywhere leaves the records untouched.
// test/store/sqlite.test.ts holds it.

import { fail, show } from '../../core/errors.ts'
import type { Model, Stored } from '../model.ts'
import type { Change } from '../store.ts'
import { applyDefaults, checked } from '../validation.ts'
import { CHANGES_MAX, type Draft, Drafts } from './drafts.ts'
import { difference, indexed, numberKey, numbersOf, textOf } from './indexing.ts'
import type { Kinds } from './kinds.ts'
import { Numbers } from './numbers.ts'
import type { Records, Save } from './records.ts'
import { followDeletions, goneLinks, linksOf } from './references.ts'
import { Uniqueness } from './uniqueness.ts'

const TEXT_LENGTH_MAX = 1 << 20

/** One write: checks all of its changes, then saves them. */
export class Write {
  readonly #records: Records
  readonly #kinds: Kinds
  readonly #drafts: Drafts
  readonly #numbers: Numbers

  constructor(records: Records, kinds: Kinds) {
    this.#records = records
    this.#kinds = kinds
    this.#drafts = new Drafts(records)
    this.#numbers = new Numbers(records)
  }

  /** Makes the changes, all or none.  Gives the version of the store after the write. */
  run(changes: readonly Change[]): number {
    if (changes.length > CHANGES_MAX)
      throw fail('LIMIT', { what: 'a single write', limit: CHANGES_MAX })
    for (const change of changes) this.#change(change)
    followDeletions(this.#drafts, this.#kinds, this.#records)
    const head = this.#records.head()
    const { changed } = this.#drafts
    const { next } = this.#numbers
    if (changed.length === 0 && next.size === 0) return head
    const saves = this.#saves(changed)
    this.#records.put({ version: head + 1, saves, next })
    return changed.length === 0 ? head : head + 1
  }

  #change(change: Change): void {
    const model = this.#kinds.model(change.kind)
    if (change.op !== 'delete' && typeof change.value?.id !== 'string') checked(model, change.value)
    if (change.op === 'delete') this.#delete(this.#drafts.of(model, change.id), change.version)
    else if (change.op === 'create') this.#create(model, change.value)
    else this.#update(model, change.value, change.version)
  }

  #create(model: Model, given: Stored): void {
    const draft = this.#drafts.of(model, given.id)
    if (draft.after !== undefined) throw fail('EXISTS', { kind: model.kind, id: show(given.id) })
    draft.after = this.#numbers.fill(model, checked(model, applyDefaults(model, given)))
  }

  #update(model: Model, given: Stored, version: number | undefined): void {
    const draft = this.#drafts.of(model, given.id)
    const current = existing(draft, version)
    const value = this.#numbers.keep(model, applyDefaults(model, given), current)
    draft.after = checked(model, value)
  }

  #delete(draft: Draft, version: number | undefined): void {
    existing(draft, version)
    draft.after = undefined
  }

  // A port's `device` names a bridge or a router: one id is not to be both.
  #checkIds(changed: readonly Draft[]): void {
    const made = changed.filter(({ before }) => before === undefined)
    const later = new Set(made.map(({ model, id }) => `${model.kind} ${id}`))
    for (const { model, id } of made) {
      later.delete(`${model.kind} ${id}`)
      for (const kind of this.#kinds.rivals(model.kind))
        if (!later.has(`${kind} ${id}`) && this.#drafts.isThere(kind, id))
          throw fail('EXISTS', { kind, id })
    }
  }

  #saves(changed: readonly Draft[]): Save[] {
    this.#checkIds(changed)
    const links = changed.map(draft => {
      checkLength(draft)
      return linksOf(draft, this.#drafts)
    })
    const unique = new Uniqueness(this.#records, changed)
    return changed.map((draft, i) => {
      const { model, id, before, after } = draft
      return {
        kind: model.kind,
        id,
        text: after === undefined ? null : textOf(model, after),
        before: before === undefined ? {} : indexed(model, before.value),
        after: after === undefined ? {} : indexed(model, after),
        links: { gone: goneLinks(draft, links[i]!), come: links[i]! },
        combinations: unique.take(draft),
        numbers: difference(
          before === undefined ? [] : numbersOf(model, before.value),
          after === undefined ? [] : numbersOf(model, after),
          numberKey
        )
      }
    })
  }
}

function checkLength({ model, id, after }: Draft): void {
  if (after === undefined || textOf(model, after).length <= TEXT_LENGTH_MAX) return
  throw fail('LIMIT', { what: `${model.kind} ${id}`, limit: `${TEXT_LENGTH_MAX} characters` })
}

function existing(draft: Draft, version: number | undefined): Stored {
  const { model, id, before, after } = draft
  if (after === undefined) throw fail('NOT_FOUND', { kind: model.kind, id: show(id) })
  const actual = before?.version ?? 0
  if (version !== undefined && version !== actual)
    throw fail('CONFLICT', { kind: model.kind, id, actual, expected: version })
  return after
}
