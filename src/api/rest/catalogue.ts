// The models as the API sees them: by kind and by collection, who belongs to whom, and which
// collections lie below an object.  Everything here is derived from the models' declarations.  What
// is hidden is not here, so nothing that is made of the catalogue can show it.
// test/api/document.test.ts holds it.

import { fail } from '../../core/errors.ts'
import type { Model, Reference } from '../../topology/model.ts'

/** A collection below an object: /routers/{id}/ports. */
export interface Nested {
  /** What the path begins with. */
  readonly parent: Model
  /** What is listed below it. */
  readonly child: Model
  readonly reference: Reference
  /** The last part of its path. */
  readonly name: string
  /** The child belongs to the parent, so it can be made there. */
  readonly owned: boolean
}

/** Two references that must lead to the same owner: a route's router, and that of its port. */
export interface Kin {
  /** The field that refers. */
  readonly field: string
  /** The kind that is meant. */
  readonly kind: string
  /** The owner's field in the one. */
  readonly owner: string
  /** The owner's field in the other. */
  readonly theirs: string
}

/** The models by kind, and how they hang together. */
export class Catalogue {
  readonly models: readonly Model[]
  /** Collections below an object. */
  readonly nested: readonly Nested[]
  readonly #byKind: ReadonlyMap<string, Model>

  constructor(models: readonly Model[]) {
    const shown = models.filter(model => model.hidden !== true)
    this.models = shown.sort((a, b) => (a.plural < b.plural ? -1 : 1))
    this.#byKind = new Map(shown.map(model => [model.kind, model]))
    this.nested = this.models.flatMap(parent =>
      this.models.flatMap(child => nestedOf(parent, child))
    )
  }

  /** Whether there is such a kind. */
  has(kind: string): boolean {
    return this.#byKind.has(kind)
  }

  /** References from one child of a device to another child of a device of that kind. */
  kin(model: Model): Kin[] {
    const owner = ownerOf(model)
    if (owner === undefined) return []
    return model.references.flatMap(({ field, kind }) => {
      if (typeof kind !== 'string' || kind === model.kind) return []
      const target = this.#byKind.get(kind)
      const theirs = target && ownerOf(target)
      const related = theirs && kindsOf(theirs).some(each => kindsOf(owner).includes(each))
      return related ? [{ field, kind, owner: owner.field, theirs: theirs.field }] : []
    })
  }

  /** The model of a kind; throws NOT_FOUND. */
  model(kind: string): Model {
    const model = this.#byKind.get(kind)
    if (model === undefined) throw fail('NOT_FOUND', { kind: 'model', id: kind })
    return model
  }
}

/** The kinds a reference may name. */
export const kindsOf = ({ kind }: Reference): readonly string[] =>
  typeof kind === 'string' ? [kind] : kind

interface FieldSchema {
  readonly type?: string
  readonly readOnly?: boolean
  readonly writeOnly?: boolean
  readonly default?: unknown
  readonly anyOf?: readonly { readonly const?: unknown }[]
}

/** The JSON Schemas of a model's fields. */
export const fieldsOf = (model: Model): Readonly<Record<string, FieldSchema>> =>
  model.schema.properties as Readonly<Record<string, FieldSchema>>

const requiredOf = (model: Model): readonly string[] =>
  (model.schema as { required?: readonly string[] }).required ?? []

/** Whether a new object must say this field. */
export const isRequired = (model: Model, field: string): boolean =>
  requiredOf(model).includes(field) && fieldsOf(model)[field]?.default === undefined

/** The reference to what an object belongs to: it goes when that goes, and cannot move. */
export const ownerOf = (model: Model): Reference | undefined =>
  model.references.find(
    ({ field, onDelete }) => onDelete === 'cascade' && requiredOf(model).includes(field)
  )

/** The field `type` when it only repeats which kind the owner is: bridge port, router port. */
export function echoOf(model: Model): string | undefined {
  const owner = ownerOf(model)
  const literals = fieldsOf(model).type?.anyOf?.map(each => each.const)
  if (owner === undefined || literals === undefined) return undefined
  const kinds = kindsOf(owner)
  return kinds.length > 1 && kinds.every(kind => literals.includes(kind)) ? 'type' : undefined
}

/** Fields that the system sets. */
export const readOnlyFields = (model: Model): string[] =>
  Object.entries(fieldsOf(model)).flatMap(([name, field]) => (field.readOnly ? [name] : []))

/** Fields that are taken and never shown: a password. A PUT without them keeps them. */
export const writeOnlyFields = (model: Model): string[] =>
  Object.entries(fieldsOf(model)).flatMap(([name, field]) => (field.writeOnly ? [name] : []))

/** What hosts report: shown, never taken. */
export const statusFields = (model: Model): string[] =>
  Object.keys(model.status?.fields.properties ?? {})

function nestedOf(parent: Model, child: Model): Nested[] {
  const towards = child.references.filter(
    reference => kindsOf(reference).includes(parent.kind) && child.indexes.includes(reference.field)
  )
  const owner = ownerOf(child)
  const reference = towards.find(each => each === owner) ?? towards[0]
  if (reference === undefined || parent === child) return []
  // Two ways to point there (a port's two filters) make no one list.
  if (reference !== owner && towards.length > 1) return []
  return [{ parent, child, reference, name: nameBelow(parent, child), owned: reference === owner }]
}

// A tunnel zone's tunnel-zone-hosts are its hosts.
const nameBelow = (parent: Model, child: Model): string =>
  child.plural.startsWith(`${parent.kind}-`)
    ? child.plural.slice(parent.kind.length + 1)
    : child.plural

/** Fields a list may be asked for: the indexed ones, and the name. */
export const filtersOf = (model: Model): string[] =>
  [...new Set([...model.indexes, 'name'])].filter(field => field in fieldsOf(model))
