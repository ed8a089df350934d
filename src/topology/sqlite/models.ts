// Faults of assembly, found when the store opens: two models of one kind, a reference or an index
// of a field that does not exist, a field that could not be cleared.

import { fail, show } from '../../core/errors.ts'
import type { Model } from '../model.ts'

export function checkedModels(models: readonly Model[]): ReadonlyMap<string, Model> {
  const byKind = new Map<string, Model>()
  for (const model of models) {
    if (byKind.has(model.kind)) throw fail('EXISTS', { kind: 'model', id: model.kind })
    checkFields(model)
    checkReferences(model)
    byKind.set(model.kind, model)
  }
  return byKind
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
