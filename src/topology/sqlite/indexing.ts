// What is kept beside an object so that it can be found: indexed values, combinations that no two
// objects share, and the objects it points at.  Pure functions of model and value.

import type { Model, Reference, Stored } from '../model.ts'

/** A value as an index sees it: a list counts as each of its items. */
export const texts = (value: unknown): string[] => {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value.map(String) : [String(value)]
}

/** Field → its values as text; a list counts under each of its items. */
export type Indexed = Readonly<Record<string, readonly string[]>>

export const indexed = (model: Model, value: Stored): Indexed =>
  Object.fromEntries(model.indexes.map(field => [field, texts(value[field])]))

/** Group → the combination this object has; a group with an absent field binds nobody. */
export function combinations(model: Model, value: Stored): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const group of model.unique)
    if (group.every(field => value[field] !== undefined && value[field] !== null))
      found.set(group.join(','), JSON.stringify(group.map(field => value[field])))
  return found
}

export interface Pointer {
  readonly reference: Reference
  readonly target: string
}

export const pointers = (model: Model, value: Stored): Pointer[] =>
  model.references.flatMap(reference =>
    [...new Set(texts(value[reference.field]))].map(target => ({ reference, target }))
  )

export const kindsOf = ({ kind }: Reference): readonly string[] =>
  typeof kind === 'string' ? [kind] : kind

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
