// One atomic write.  Changes are first made on drafts, in memory; what a deletion drags along
// follows; then the outcome as a whole is checked and stored.  So two objects may point at each
// other, or swap a unique name, within one write.  A throw anywhere leaves the file untouched.

import { fail, show } from '../../core/errors.ts'
import type { Model, Stored } from '../model.ts'
import type { Change, Versioned } from '../store.ts'
import { applyDefaults, checkObject, invalid } from '../validation.ts'
import type { Database } from './database.ts'
import { cleared, kindsOf, type Pointer, pointers, pointsAt, textOf } from './indexing.ts'
import { Numbers } from './numbers.ts'
import { CHANGES_MAX, type Objects } from './objects.ts'
import { saveDraft, takeCombinations } from './save.ts'

/** An object before and after the write; undefined: it does not exist. */
export interface Draft {
  readonly model: Model
  readonly id: string
  readonly before: Versioned | undefined
  after: Stored | undefined
}

interface Refusal {
  readonly target: Draft
  readonly by: Draft
  readonly field: string
}

interface Referrer {
  readonly kind: string
  readonly id: string
  readonly field: string
}

const TEXT_LENGTH_MAX = 1 << 20

export class Write {
  readonly #database: Database
  readonly #objects: Objects
  readonly #numbers: Numbers
  readonly #drafts = new Map<string, Draft>()

  constructor(database: Database, objects: Objects) {
    this.#database = database
    this.#objects = objects
    this.#numbers = new Numbers(database)
  }

  /** Gives the store's version after the write. */
  run(changes: readonly Change[]): number {
    if (changes.length > CHANGES_MAX)
      throw fail('LIMIT', { what: 'a single write', limit: CHANGES_MAX })
    for (const change of changes) this.#change(change)
    this.#follow()
    const head = this.#objects.head()
    const changed = [...this.#drafts.values()].filter(differs)
    this.#check(changed)
    this.#numbers.settle(this.#drafts)
    takeCombinations(this.#database, changed)
    changed.forEach((draft, i) => {
      saveDraft(this.#database, draft, this.#targetsOf(draft), head + 1, head + 1 + i)
    })
    return changed.length === 0 ? head : head + 1
  }

  #change(change: Change): void {
    const model = this.#objects.model(change.kind)
    if (change.op !== 'delete' && typeof change.value?.id !== 'string') checked(model, change.value)
    if (change.op === 'delete') this.#delete(this.#draft(model, change.id), change.version)
    else if (change.op === 'create') this.#create(model, change.value)
    else this.#update(model, change.value, change.version)
  }

  #create(model: Model, given: Stored): void {
    const draft = this.#draft(model, given.id)
    if (draft.after !== undefined) throw fail('EXISTS', { kind: model.kind, id: show(given.id) })
    draft.after = this.#numbers.fill(model, checked(model, applyDefaults(model, given)))
  }

  #update(model: Model, given: Stored, version: number | undefined): void {
    const draft = this.#draft(model, given.id)
    const current = existing(draft, version)
    const value = this.#numbers.keep(model, applyDefaults(model, given), current)
    draft.after = checked(model, value)
  }

  #delete(draft: Draft, version: number | undefined): void {
    existing(draft, version)
    draft.after = undefined
  }

  #draft(model: Model, id: string): Draft {
    const key = `${model.kind} ${id}`
    let draft = this.#drafts.get(key)
    if (draft !== undefined) return draft
    if (this.#drafts.size >= CHANGES_MAX)
      throw fail('LIMIT', { what: 'a single write, with all it drags along,', limit: CHANGES_MAX })
    const before = this.#objects.read(model.kind, id)
    draft = { model, id, before, after: before?.value }
    this.#drafts.set(key, draft)
    return draft
  }

  // Who points at a deleted object goes along, forgets it, or stands in the way.
  #follow(): void {
    const refusals: Refusal[] = []
    const gone = [...this.#drafts.values()].filter(draft => draft.after === undefined)
    for (let target = gone.pop(); target !== undefined; target = gone.pop())
      for (const referrer of this.#referrers(target)) {
        const { kind, id, field } = referrer
        // Made by a plugin that is not loaded now: nobody here can say how to change it.
        if (!this.#objects.knows(kind)) throw referenced(target, kind, id, field)
        const by = this.#draft(this.#objects.model(kind), id)
        if (by.after === undefined || !pointsAt(by.after, field, target.id)) continue
        const then = by.model.references.find(reference => reference.field === field)?.onDelete
        if (then === 'clear') by.after = checked(by.model, cleared(by.after, field, target.id))
        else if (then === 'refuse') refusals.push({ target, by, field })
        else {
          by.after = undefined
          gone.push(by)
        }
      }
    // Only now: who stands in the way may have gone along with another.
    for (const { target, by, field } of refusals)
      if (by.after !== undefined && pointsAt(by.after, field, target.id))
        throw referenced(target, by.model.kind, by.id, field)
  }

  #referrers({ model, id }: Draft): Referrer[] {
    const sql = 'SELECT kind, id, field FROM refs WHERE target_kind = ? AND target = ?'
    return this.#database.all<Referrer>(sql, model.kind, id)
  }

  #check(changed: readonly Draft[]): void {
    for (const draft of changed) {
      const { model, id, after } = draft
      if (after === undefined) continue
      if (textOf(model, after).length > TEXT_LENGTH_MAX)
        throw fail('LIMIT', { what: `${model.kind} ${id}`, limit: `${TEXT_LENGTH_MAX} characters` })
      for (const pointer of pointers(model, after))
        if (this.#kindOf(pointer) === undefined) throw dangling(draft, pointer)
    }
  }

  #targetsOf({ model, after }: Draft): { pointer: Pointer; kind: string }[] {
    if (after === undefined) return []
    return pointers(model, after).map(p => ({ pointer: p, kind: this.#kindOf(p)! }))
  }

  #kindOf({ reference, target }: Pointer): string | undefined {
    return kindsOf(reference).find(kind => {
      const draft = this.#drafts.get(`${kind} ${target}`)
      return draft === undefined ? this.#objects.exists(kind, target) : draft.after !== undefined
    })
  }
}

function existing(draft: Draft, version: number | undefined): Stored {
  const { model, id, before, after } = draft
  if (after === undefined) throw fail('NOT_FOUND', { kind: model.kind, id: show(id) })
  const actual = before?.version ?? 0
  if (version !== undefined && version !== actual)
    throw fail('CONFLICT', { kind: model.kind, id, actual, expected: version })
  return after
}

function checked(model: Model, value: Stored): Stored {
  const faults = checkObject(model, value)
  if (faults.length > 0) throw invalid(model.kind, value?.id, faults)
  return value
}

const differs = ({ model, before, after }: Draft): boolean => {
  if (before === undefined || after === undefined) return before !== after
  return textOf(model, before.value) !== textOf(model, after)
}

const referenced = (target: Draft, kind: string, id: string, field: string): Error =>
  fail('REFERENCED', {
    kind: target.model.kind,
    id: target.id,
    by: `${kind} ${id} as its ${field}`
  })

const dangling = ({ model, id }: Draft, { reference, target }: Pointer): Error =>
  fail('MISSING_REFERENCE', {
    kind: model.kind,
    id,
    field: reference.field,
    value: `${kindsOf(reference).join(' or ')} ${target}`
  })
