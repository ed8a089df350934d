// What is kept beside an object so that it can be found: indexed values, combinations that no two
// objects share, and the objects it points at.  Pure functions of model and value.

import type { Model, Reference, Stored } from '../model.ts'
import type { Combination, Difference, HeldNumber } from './records.ts'

/** A value as an index sees it: a list counts as each of its items. */
export const texts = (value: unknown): string[] => {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value.map(String) : [String(value)]
}

/** Field → its values as text; a list counts under each of its items. */
export type Indexed = Readonly<Record<string, readonly string[]>>

/** The values of a model's indexed fields. */
export const indexed = (model: Model, value: Stored): Indexed =>
  Object.fromEntries(model.indexes.map(field => [field, texts(value[field])]))

/** What this object alone may have; a group with an absent field binds nobody. */
export const combinations = (model: Model, value: Stored): Combination[] =>
  model.unique
    .filter(group => group.every(field => value[field] !== undefined && value[field] !== null))
    .map(group => ({
      fields: group.join(','),
      value: JSON.stringify(group.map(field => value[field]))
    }))

/** A combination of values as text. */
export const combinationKey = ({ fields, value }: Combination): string => `${fields} ${value}`
/** A number of a sequence as text. */
export const numberKey = ({ sequence, number }: HeldNumber): string => `${sequence} ${number}`

/** What is in one list only; two items are one when their keys are. */
export function difference<T>(
  before: readonly T[],
  after: readonly T[],
  key: (item: T) => string
): Difference<T> {
  const [old, now] = [new Set(before.map(key)), new Set(after.map(key))]
  return {
    gone: before.filter(item => !now.has(key(item))),
    come: after.filter(item => !old.has(key(item)))
  }
}

/** The numbers of sequences that this object holds. */
export const numbersOf = (model: Model, value: Stored): HeldNumber[] =>
  Object.entries(model.sequences).flatMap(([field, { sequence }]) => {
    const number = value[field]
    return typeof number === 'number' ? [{ sequence, number }] : []
  })

/** A reference of an object that is set. */
export interface Pointer {
  readonly reference: Reference
  /** Id of the object it names. */
  readonly target: string
}

/** All references of an object that are set. */
export const pointers = (model: Model, value: Stored): Pointer[] =>
  model.references.flatMap(reference =>
    [...new Set(texts(value[reference.field]))].map(target => ({ reference, target }))
  )

export const kindsOf = ({ kind }: Reference): readonly string[] =>
  typeof kind === 'string' ? [kind] : kind

/** Whether the field names this object. */
export const pointsAt = (value: Stored, field: string, target: string): boolean =>
  texts(value[field]).includes(target)

/** The object without this pointer. */
export function cleared(value: Stored, field: string, target: string): Stored {
  const { [field]: held, ...rest } = value
  if (!Array.isArray(held)) return rest as Stored
  return { ...value, [field]: held.filter(item => item !== target) }
}

/** The text that is stored: fields in the order of the schema, so that equal objects are equal. */
export function textOf(model: Model, value: Stored): string {
  const ordered: Record<string, unknown> = { id: value.id }
  for (const field of Object.keys(model.schema.properties)) ordered[field] = value[field]
  return JSON.stringify(ordered)
}
