// The kinds of objects that a store knows, by their models.  Faults of assembly are found when they
// are gathered: two models of one kind, a reference or an index of a field that does not exist, a
// field that could not be cleared. test/store/sqlite.test.ts holds it.

import { fail, show } from '../../core/errors.ts'
import type { Model } from '../model.ts'
import { kindsOf } from './indexing.ts'

/** Selects the objects of a kind whose field has a value, or has it among its items. */
export interface Index {
  /** An indexed field. */
  readonly field: string
  /** The value that is wanted. */
  readonly value: string
}

const NOBODY: ReadonlySet<string> = new Set()

/** The models by kind, and which of them refer to which. */
export class Kinds {
  readonly #models: ReadonlyMap<string, Model>
  readonly #rivals: ReadonlyMap<string, ReadonlySet<string>>

  /** Throws EXISTS or INVALID for models that make no sense together. */
  constructor(models: readonly Model[]) {
    this.#models = checkedModels(models)
    this.#rivals = rivalsOf(models)
  }

  /** Whether there is such a kind. */
  knows(kind: string): boolean {
    return this.#models.has(kind)
  }

  /** The model of a kind; throws INVALID for a kind nobody declared. */
  model(kind: string): Model {
    const model = this.#models.get(kind)
    if (model !== undefined) return model
    const expected = `one of ${[...this.#models.keys()].join(', ')}`
    throw fail('INVALID', { field: 'kind', value: show(kind), expected })
  }

  /** Kinds that some field may name in this one's place: an id says which object is meant. */
  rivals(kind: string): ReadonlySet<string> {
    return this.#rivals.get(kind) ?? NOBODY
  }

  /** Refuses a kind nobody declared, and a selection by a field its model does not index. */
  check(kind: string, index: Index | undefined): void {
    const { indexes } = this.model(kind)
    if (index === undefined || indexes.includes(index.field)) return
    const expected =
      indexes.length === 0 ? `no selection: ${kind} has no index` : `one of ${indexes.join(', ')}`
    throw fail('INVALID', { field: `the index of ${kind}`, value: show(index.field), expected })
  }
}

function checkedModels(models: readonly Model[]): ReadonlyMap<string, Model> {
  const byKind = new Map<string, Model>()
  for (const model of models) {
    if (byKind.has(model.kind)) throw fail('EXISTS', { kind: 'model', id: model.kind })
    checkFields(model)
    checkReferences(model)
    byKind.set(model.kind, model)
  }
  return byKind
}

/** By kind, those that a field of several kinds may name beside it. */
export function rivalsOf(models: readonly Model[]): ReadonlyMap<string, ReadonlySet<string>> {
  const rivals = new Map<string, Set<string>>()
  for (const kinds of models.flatMap(({ references }) => references.map(kindsOf)))
    for (const kind of kinds) {
      const others = rivals.get(kind) ?? new Set()
      for (const other of kinds) if (other !== kind) others.add(other)
      rivals.set(kind, others)
    }
  return rivals
}

function checkFields(model: Model): void {
  const known = Object.keys(model.schema.properties)
  const named = [
    ...model.references.map(reference => reference.field),
    ...model.indexes,
    ...model.unique.flat(),
    ...Object.keys(model.sequences)
  ]
  const expected = `one of the fields ${known.join(', ')}`
  for (const field of named) need(model, known.includes(field), field, expected)
  for (const field of Object.keys(model.sequences))
    need(model, !isRequired(model, field), field, 'an optional field: the store fills it')
}

function checkReferences(model: Model): void {
  for (const { field, onDelete } of model.references) {
    const isList = (model.schema.properties[field] as { type?: string }).type === 'array'
    const clearable = onDelete !== 'clear' || isList || !isRequired(model, field)
    need(model, clearable, field, 'an optional field or a list: it is cleared on delete')
  }
}

const isRequired = (model: Model, field: string): boolean =>
  (model.schema.required as readonly string[] | undefined)?.includes(field) === true

function need(model: Model, ok: boolean, field: string, expected: string): void {
  if (!ok) throw fail('INVALID', { field: `model ${model.kind}`, value: show(field), expected })
}
