// A new object as it will be stored: what the body says, what its path has said, what its model
// completes, checked against its schema and its kin. What is there already is read where the maker
// is told to. And the place of an object among its siblings. test/api/crud.test.ts holds it.

import { show } from '../../core/errors.ts'
import type { Random } from '../../core/random.ts'
import type { Completing, Fault, Model, Stored } from '../../topology/model.ts'
import type { Change, Store } from '../../topology/store.ts'
import { applyDefaults, checkObject } from '../../topology/validation.ts'
import { invalid } from '../http/refusal.ts'
import {
  type Catalogue,
  echoOf,
  kindsOf,
  ownerOf,
  readOnlyFields,
  statusFields
} from './catalogue.ts'
import { newId } from './make.ts'
import { plain } from './merge.ts'
import { type Moved, Siblings } from './order.ts'

/** Where what is there is read. */
export type Reader = Pick<Store, 'read' | 'list'>

/** Fields that have routes of their own: a change of them touches more than one object. */
export type Managed = Readonly<Record<string, Readonly<Record<string, string>>>>

/** What bodies must keep besides their schemas. */
export interface MakerRules {
  /** By kind: the field, and the route that changes it. */
  readonly managed: Managed
  /** What a port has that is made without saying so. */
  readonly newPorts: Completing['newPorts']
  /** For ids. */
  readonly random: Random
}

/** An update of an object that is there. */
export type Update = Extract<Change, { readonly op: 'update' }>

/** An object in its place. */
export interface PlacedObject {
  /** With its position. */
  readonly object: Stored
  /** Siblings that make room. */
  readonly moved: readonly Update[]
}

type Given = Readonly<Record<string, unknown>>

/** Makes new objects. */
export class ObjectMaker {
  readonly #reader: Reader
  readonly #catalogue: Catalogue
  readonly #managed: Managed
  readonly #completing: Completing

  constructor(reader: Reader, catalogue: Catalogue, { managed, newPorts, random }: MakerRules) {
    this.#reader = reader
    this.#catalogue = catalogue
    this.#managed = managed
    this.#completing = { random, newPorts }
  }

  /** Throws 400. `fixed` are fields the path has already said. */
  async made(model: Model, body: unknown, fixed: Readonly<Record<string, string>> = {}) {
    const given = plain(body)
    refuse([...fixedFaults(given, fixed), ...this.#givenFaults(model, given)])
    const id = given.id ?? newId(this.#completing.random)
    return this.#whole(model, { ...given, ...fixed, id: id as string })
  }

  async #whole(model: Model, given: Stored): Promise<Stored> {
    const echo = echoOf(model)
    const typed = echo === undefined ? given : await this.#echoed(model, echo, given)
    const whole = applyDefaults(model, typed)
    const value = model.complete?.(whole, this.#completing) ?? whole
    await this.#check(model, value)
    return value
  }

  async #check(model: Model, value: Stored): Promise<void> {
    refuse(checkObject(model, value))
    refuse(await this.#kinFaults(model, value))
    refuse(await this.relatedFaults(model, value))
  }

  /** What its model's owner finds wrong with it beside other objects. */
  async relatedFaults(model: Model, value: Stored): Promise<readonly Fault[]> {
    return (await model.related?.(value, this.#reader)) ?? []
  }

  // A port of a router is a router port: filled in when absent, refused when wrong.
  async #echoed(model: Model, echo: string, given: Stored): Promise<Stored> {
    const owner = ownerOf(model)
    const id = owner === undefined ? undefined : given[owner.field]
    if (owner === undefined || typeof id !== 'string') return given
    for (const kind of kindsOf(owner)) {
      if ((await this.#reader.read(kind, id)) === undefined) continue
      if (given[echo] !== undefined && given[echo] !== kind)
        refuse([{ field: echo, value: given[echo], expected: `"${kind}": ${id} is a ${kind}` }])
      return { ...given, [echo]: kind }
    }
    const expected = `the id of a ${kindsOf(owner).join(' or ')} that exists`
    throw invalid([{ field: owner.field, value: id, expected }])
  }

  #givenFaults(model: Model, given: Readonly<Record<string, unknown>>): Fault[] {
    const untaken: readonly (readonly [string, string])[] = [
      ...readOnlyFields(model).map(field => [field, 'nothing: Mezzo gives it out'] as const),
      ...statusFields(model).map(field => [field, 'nothing: it is what hosts report'] as const),
      ...Object.entries(this.#managed[model.kind] ?? {}).map(
        ([field, route]) => [field, `nothing here; use ${route}`] as const
      )
    ]
    const faults: Fault[] = []
    for (const [field, expected] of untaken)
      if (Object.hasOwn(given, field) && !faults.some(fault => fault.field === field))
        faults.push({ field, value: given[field], expected })
    return faults
  }

  // What belongs to a device points only at what is of the same device: a route at its router's
  // own ports.
  async #kinFaults(model: Model, value: Stored): Promise<Fault[]> {
    const faults: Fault[] = []
    for (const { field, kind, owner, theirs } of this.#catalogue.kin(model)) {
      const id = value[field]
      if (typeof id !== 'string' || Object.hasOwn(this.#managed[model.kind] ?? {}, field)) continue
      const target = await this.#reader.read(kind, id)
      if (target === undefined || target.value[theirs] === value[owner]) continue
      const expected = `a ${kind} whose ${theirs} is ${value[owner]}`
      faults.push({ field, value: id, expected })
    }
    return faults
  }
}

/**
 * The object with its position among its siblings, and the siblings that make room; `before`: as
 * it was, undefined when it is new.
 */
export async function placed(
  reader: Reader,
  model: Model,
  value: Stored,
  before: Stored | undefined
): Promise<PlacedObject> {
  const field = model.ordered
  if (field === undefined || ownerOf(model) === undefined) return { object: value, moved: [] }
  if (before !== undefined && before[field] === value[field]) return { object: value, moved: [] }
  const siblings = await siblingsOf(reader, model, value)
  siblings.add(value.id, value[field] as number | undefined)
  return {
    object: { ...value, [field]: siblings.come.get(value.id) },
    moved: siblings.moved.map(each => updateOf(model.kind, field, each))
  }
}

/** Those that an object stands among, without itself. */
export async function siblingsOf(reader: Reader, model: Model, value: Stored): Promise<Siblings> {
  const { field: owner } = ownerOf(model)!
  const index = { field: owner, value: String(value[owner]) }
  const all = await collect(reader.list(model.kind, index))
  return new Siblings(
    all.filter(({ id }) => id !== value.id),
    model.ordered!
  )
}

/** A sibling makes room. */
export const updateOf = (kind: string, field: string, { object, position }: Moved): Update => ({
  ...{ op: 'update', kind, value: { ...object.value, [field]: position } },
  version: object.version
})

/** All of it, as a list. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

/** Throws 400 when there are any. */
export function refuse(faults: readonly Fault[]): void {
  if (faults.length > 0) throw invalid(faults)
}

// The path says whose port it is; a body that says otherwise is a mistake.
const fixedFaults = (given: Given, fixed: Readonly<Record<string, string>>): Fault[] =>
  Object.entries(fixed).flatMap(([field, value]) =>
    given[field] === undefined || given[field] === value
      ? []
      : [{ field, value: given[field], expected: `${show(value)}, as in the path` }]
  )
