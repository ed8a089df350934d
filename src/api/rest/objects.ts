// Create, replace, merge, delete and list objects of any model: what the REST routes do, without
// HTTP.  A change is written against the version it was made from; when somebody else was faster
// it is made again from what is there now, unless the client has named a version.
// test/api/crud.test.ts holds it.

import { isFailure, show } from '../../core/errors.ts'
import type { Random } from '../../core/random.ts'
import type { Completing, Fault, Model, Stored } from '../../topology/model.ts'
import type { Change, Store, Versioned } from '../../topology/store.ts'
import { applyDefaults, checkObject } from '../../topology/validation.ts'
import { invalid, notFound, precondition } from '../http/refusal.ts'
import {
  type Catalogue,
  echoOf,
  kindsOf,
  ownerOf,
  readOnlyFields,
  statusFields
} from './catalogue.ts'
import { newId } from './make.ts'
import { merge, plain, sameValue } from './merge.ts'
import { inOrder, place } from './order.ts'

/** What a request says of the version it means: nothing, or the text of If-Match. */
export type Expected = { readonly versions: readonly number[]; readonly text: string } | undefined

/** Which objects of a kind are wanted. */
export interface Selection {
  /** Values by field. */
  readonly filters: Readonly<Record<string, string>>
  /** Behind the object with this id; undefined: from the beginning. */
  readonly after?: string | undefined
  /** At most so many. */
  readonly limit: number
}

/** Some objects of a list. */
export interface Page {
  /** In order. */
  readonly objects: readonly Versioned[]
  /** The id behind which it goes on; undefined: this is the end. */
  readonly next: string | undefined
}

/** Fields that have routes of their own: a change of them touches more than one object. */
export type Managed = Readonly<Record<string, Readonly<Record<string, string>>>>

/** What bodies must keep besides their schemas. */
export interface Rules {
  readonly managed: Managed
  /** What a port has that is made without saying so. */
  readonly newPorts: Completing['newPorts']
}

const ATTEMPTS_MAX = 5

/** The objects of the store as the API changes them: checked, in order, with versions. */
export class Objects {
  readonly #store: Store
  readonly #catalogue: Catalogue
  readonly #random: Random
  readonly #managed: Managed
  readonly #completing: Completing
  #turn: Promise<void> = Promise.resolve()

  constructor(store: Store, catalogue: Catalogue, random: Random, { managed, newPorts }: Rules) {
    this.#store = store
    this.#catalogue = catalogue
    this.#random = random
    this.#managed = managed
    this.#completing = { random, newPorts }
  }

  /** The object; throws 404. */
  async read(kind: string, id: string): Promise<Versioned> {
    const object = await this.#store.read(kind, id)
    if (object === undefined) throw notFound(kind, id)
    return object
  }

  /** A page of a kind's objects. */
  async list(model: Model, { filters, after, limit }: Selection): Promise<Page> {
    const objects: Versioned[] = []
    for await (const object of this.#ordered(model, filters, after)) {
      if (objects.length === limit) return { objects, next: objects.at(-1)?.id }
      objects.push(object)
    }
    return { objects, next: undefined }
  }

  /** `fixed` are fields the path has already said. */
  async create(model: Model, body: unknown, fixed: Readonly<Record<string, string>> = {}) {
    const given = plain(body)
    refuse([...fixedFaults(given, fixed), ...this.#givenFaults(model, given)])
    const id = given.id ?? newId(this.#random)
    const value = await this.#made(model, { ...given, ...fixed, id: id as string })
    await this.#inTurn(model, async () => {
      const { object, moved } = await this.#placed(model, value, undefined)
      await this.#store.write([{ op: 'create', kind: model.kind, value: object }, ...moved])
    })
    return this.read(model.kind, value.id)
  }

  /** PUT: the whole object; throws 400, 404, 409 or 412. */
  replace(model: Model, id: string, body: unknown, expected: Expected): Promise<Versioned> {
    const given: Record<string, unknown> = { ...plain(body) }
    for (const field of statusFields(model)) delete given[field] // as it was read: it may be old
    return this.#change(model, id, expected, current => {
      const kept = [...this.#fixedFields(model), ...(model.ordered ? [model.ordered] : [])]
        .filter(field => current.value[field] !== undefined)
        .map(field => [field, current.value[field]])
      return { ...Object.fromEntries(kept), id, ...given }
    })
  }

  /** PATCH: some fields (RFC 7396); throws as `replace`. */
  merge(model: Model, id: string, body: unknown, expected: Expected): Promise<Versioned> {
    const patch = plain(body)
    return this.#change(model, id, expected, current => merge(current.value, patch) as Stored)
  }

  /** DELETE: with what belongs to it; throws 404, 409 or 412. */
  async remove(model: Model, id: string, expected: Expected): Promise<void> {
    await this.#again(async () => {
      const current = await this.read(model.kind, id)
      check(current, expected)
      const version = expected === undefined ? {} : { version: current.version }
      await this.#store.write([{ op: 'delete', kind: model.kind, id, ...version }])
    }, expected)
  }

  // ---- changes

  async #change(
    model: Model,
    id: string,
    expected: Expected,
    edit: (current: Versioned) => Stored
  ): Promise<Versioned> {
    await this.#inTurn(
      model,
      async () => {
        const current = await this.read(model.kind, id)
        check(current, expected)
        const edited = edit(current)
        refuse(this.#fixityFaults(model, current.value, edited))
        const value = applyDefaults(model, edited)
        refuse(checkObject(model, value))
        if (sameValue(value, current.value)) return
        const { object, moved } = await this.#placed(model, value, current.value)
        const { kind } = model
        const update: Change = { op: 'update', kind, value: object, version: current.version }
        await this.#store.write([update, ...moved])
      },
      expected
    )
    return this.read(model.kind, id)
  }

  // Siblings in order are placed one after the other: two that come last at once would tie.
  #inTurn(model: Model, attempt: () => Promise<void>, expected?: Expected): Promise<void> {
    if (model.ordered === undefined) return this.#again(attempt, expected)
    const turn = this.#turn.then(() => this.#again(attempt, expected))
    this.#turn = turn.catch(() => {})
    return turn
  }

  // Made again when somebody else wrote in between: a few times, then it is the client's turn.
  async #again(attempt: () => Promise<void>, expected?: Expected): Promise<void> {
    for (let n = 1; ; n++)
      try {
        return await attempt()
      } catch (error) {
        if (!isFailure(error, 'CONFLICT')) throw error
        if (n < ATTEMPTS_MAX) continue
        if (expected === undefined) throw error
        const { kind, id, actual } = error.params
        throw precondition(String(kind), String(id), Number(actual), expected.text)
      }
  }

  async #made(model: Model, given: Stored): Promise<Stored> {
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
  }

  // A port of a router is a router port: filled in when absent, refused when wrong.
  async #echoed(model: Model, echo: string, given: Stored): Promise<Stored> {
    const owner = ownerOf(model)
    const id = owner === undefined ? undefined : given[owner.field]
    if (owner === undefined || typeof id !== 'string') return given
    for (const kind of kindsOf(owner)) {
      if ((await this.#store.read(kind, id)) === undefined) continue
      if (given[echo] !== undefined && given[echo] !== kind)
        refuse([{ field: echo, value: given[echo], expected: `"${kind}": ${id} is a ${kind}` }])
      return { ...given, [echo]: kind }
    }
    const expected = `the id of a ${kindsOf(owner).join(' or ')} that exists`
    throw invalid([{ field: owner.field, value: id, expected }])
  }

  async #placed(model: Model, value: Stored, before: Stored | undefined) {
    const field = model.ordered
    const owner = ownerOf(model)
    if (field === undefined || owner === undefined) return { object: value, moved: [] }
    if (before !== undefined && before[field] === value[field]) return { object: value, moved: [] }
    const index = { field: owner.field, value: String(value[owner.field]) }
    const siblings = await collect(this.#store.list(model.kind, index))
    const others = siblings.filter(sibling => sibling.id !== value.id)
    const wanted = value[field] as number | undefined
    const { position, moved } = place(others, field, wanted)
    const changes = moved.map(({ object, position }) => ({
      op: 'update' as const,
      kind: model.kind,
      value: { ...object.value, [field]: position },
      version: object.version
    }))
    return { object: { ...value, [field]: position }, moved: changes }
  }

  // ---- faults

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

  // What an object is born with, and what has a route of its own, stays as it is.
  #fixityFaults(model: Model, current: Stored, edited: Stored): Fault[] {
    const managed = this.#managed[model.kind] ?? {}
    return ['id', ...this.#fixedFields(model), ...statusFields(model)].flatMap(field => {
      const value = edited[field]
      if (value === current[field]) return []
      const instead = Object.hasOwn(managed, field) ? `; use ${managed[field]}` : ''
      const expected = `${show(current[field] ?? null)}: it cannot be changed here${instead}`
      return [{ field, value: value ?? null, expected }]
    })
  }

  // A whole object may leave these out: they are kept.
  #fixedFields(model: Model): string[] {
    const managed = Object.keys(this.#managed[model.kind] ?? {})
    const fields = [...readOnlyFields(model), ...managed, ownerOf(model)?.field, echoOf(model)]
    return fields.filter(field => field !== undefined)
  }

  // What belongs to a device points only at what is of the same device: a route at its router's
  // own ports.
  async #kinFaults(model: Model, value: Stored): Promise<Fault[]> {
    const faults: Fault[] = []
    for (const { field, kind, owner, theirs } of this.#catalogue.kin(model)) {
      const id = value[field]
      if (typeof id !== 'string' || Object.hasOwn(this.#managed[model.kind] ?? {}, field)) continue
      const target = await this.#store.read(kind, id)
      if (target === undefined || target.value[theirs] === value[owner]) continue
      const expected = `a ${kind} whose ${theirs} is ${value[owner]}`
      faults.push({ field, value: id, expected })
    }
    return faults
  }

  // ---- lists

  async *#ordered(
    model: Model,
    filters: Readonly<Record<string, string>>,
    after: string | undefined
  ): AsyncGenerator<Versioned> {
    const owner = ownerOf(model)?.field ?? ''
    if (model.ordered === undefined || !Object.hasOwn(filters, owner)) {
      for await (const object of this.#selected(model, filters))
        if (after === undefined || object.id > after) yield object
      return
    }
    const sorted = inOrder(await collect(this.#selected(model, filters)), model.ordered)
    const from = after === undefined ? 0 : sorted.findIndex(object => object.id === after) + 1
    if (after !== undefined && from === 0)
      throw invalid([
        { field: 'after', value: after, expected: 'the id of an object of this list' }
      ])
    yield* sorted.slice(from)
  }

  async *#selected(
    model: Model,
    filters: Readonly<Record<string, string>>
  ): AsyncGenerator<Versioned> {
    const indexed = Object.keys(filters).find(field => model.indexes.includes(field))
    const index = indexed === undefined ? [] : [{ field: indexed, value: filters[indexed]! }]
    for await (const object of this.#store.list(model.kind, ...index))
      if (Object.entries(filters).every(([f, text]) => holds(object.value[f], text))) yield object
  }
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

const holds = (value: unknown, text: string): boolean =>
  Array.isArray(value) ? value.map(String).includes(text) : String(value) === text

function refuse(faults: readonly Fault[]): void {
  if (faults.length > 0) throw invalid(faults)
}

function check(current: Versioned, expected: Expected): void {
  if (expected !== undefined && !expected.versions.includes(current.version))
    throw precondition(current.kind, current.id, current.version, expected.text)
}

// The path says whose port it is; a body that says otherwise is a mistake.
function fixedFaults(
  given: Readonly<Record<string, unknown>>,
  fixed: Readonly<Record<string, string>>
): Fault[] {
  return Object.entries(fixed).flatMap(([field, value]) =>
    given[field] === undefined || given[field] === value
      ? []
      : [{ field, value: given[field], expected: `${show(value)}, as in the path` }]
  )
}
