// Create, replace, merge, delete and list objects of any model: what the REST routes do, without
// HTTP.  A change is written against the version it was made from; when somebody else was faster
// it is made again from what is there now, unless the client has named a version.
// test/api/crud.test.ts holds it.

import { isFailure, show } from '../../core/errors.ts'
import type { Fault, Model, Stored } from '../../topology/model.ts'
import type { Change, Store, Versioned } from '../../topology/store.ts'
import { applyDefaults, checkObject } from '../../topology/validation.ts'
import { invalid, notFound, precondition, Refusal } from '../http/refusal.ts'
import { Batch } from './batch.ts'
import {
  type Catalogue,
  echoOf,
  ownerOf,
  readOnlyFields,
  statusFields,
  writeOnlyFields
} from './catalogue.ts'
import {
  collect,
  type MakerRules,
  type Managed,
  ObjectMaker,
  placed,
  type Reader,
  refuse
} from './maker.ts'
import { merge, plain, sameValue } from './merge.ts'
import { inOrder } from './order.ts'
import { RequestReader } from './request-reader.ts'

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

/** An object that is to be made. */
export interface NewItem {
  /** Of its kind. */
  readonly model: Model
  /** As a client has sent it. */
  readonly body: unknown
}

/** Some objects of a list. */
export interface Page {
  /** In order. */
  readonly objects: readonly Versioned[]
  /** The id behind which it goes on; undefined: this is the end. */
  readonly next: string | undefined
}

const ATTEMPTS_MAX = 5

/** The objects of the store as the API changes them: checked, in order, with versions. */
export class Objects {
  readonly #store: Store
  readonly #catalogue: Catalogue
  readonly #managed: Managed
  readonly #rules: MakerRules
  #turn: Promise<void> = Promise.resolve()

  constructor(store: Store, catalogue: Catalogue, rules: MakerRules) {
    this.#store = store
    this.#catalogue = catalogue
    this.#managed = rules.managed
    this.#rules = rules
  }

  /** The object; throws 404. */
  read(kind: string, id: string): Promise<Versioned> {
    return mustRead(this.#store, kind, id)
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
    const value = await this.#maker(this.#reader()).made(model, body, fixed)
    await this.#inTurn(model, async () => {
      const { object, moved } = await placed(this.#reader(), model, value, undefined)
      await this.#store.write([{ op: 'create', kind: model.kind, value: object }, ...moved])
    })
    return this.#written(model.kind, value.id)
  }

  /**
   * Creates several, of which later ones may refer to earlier ones; all of them or none. Throws as
   * `create`; the fields of faults then say which object it was. Gives their ids.
   */
  async createAll(items: readonly NewItem[]): Promise<string[]> {
    const ordered = items.find(({ model }) => model.ordered !== undefined)?.model
    let ids: string[] = []
    await this.#inTurn(ordered ?? items[0]!.model, async () => {
      const batch = new Batch(this.#reader())
      const maker = this.#maker(batch)
      ids = []
      for (const [i, item] of items.entries()) ids.push(await made(batch, maker, item, i))
      await this.#store.write(batch.changes)
    })
    return ids
  }

  /** PUT: the whole object; throws 400, 404, 409 or 412. */
  replace(model: Model, id: string, body: unknown, expected: Expected): Promise<Versioned> {
    const given: Record<string, unknown> = { ...plain(body) }
    for (const field of statusFields(model)) delete given[field] // as it was read: it may be old
    const unsaid = [...writeOnlyFields(model), ...(model.ordered ? [model.ordered] : [])]
    return this.#change(model, id, expected, current => {
      const kept = [...this.#fixedFields(model), ...unsaid]
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
        const reader = this.#reader()
        const current = await mustRead(reader, model.kind, id)
        check(current, expected)
        const edited = edit(current)
        refuse(this.#fixityFaults(model, current.value, edited))
        const value = applyDefaults(model, edited)
        refuse(checkObject(model, value))
        if (sameValue(value, current.value)) return
        refuse(await this.#maker(reader).relatedFaults(model, value))
        const { object, moved } = await placed(reader, model, value, current.value)
        const { kind } = model
        const update: Change = { op: 'update', kind, value: object, version: current.version }
        await this.#store.write([update, ...moved])
      },
      expected
    )
    return this.#written(model.kind, id)
  }

  #reader(): RequestReader {
    return new RequestReader(this.#store)
  }

  #maker(reader: Reader): ObjectMaker {
    return new ObjectMaker(reader, this.#catalogue, this.#rules)
  }

  // What we have written is known here.
  #written(kind: string, id: string): Promise<Versioned> {
    return mustRead(this.#store.known, kind, id)
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

  // ---- faults

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

async function mustRead(reader: Pick<Store, 'read'>, kind: string, id: string): Promise<Versioned> {
  const object = await reader.read(kind, id)
  if (object === undefined) throw notFound(kind, id)
  return object
}

const holds = (value: unknown, text: string): boolean =>
  Array.isArray(value) ? value.map(String).includes(text) : String(value) === text

function check(current: Versioned, expected: Expected): void {
  if (expected !== undefined && !expected.versions.includes(current.version))
    throw precondition(current.kind, current.id, current.version, expected.text)
}

// An item's fault is one of `objects[3].name`.
async function made(batch: Batch, maker: ObjectMaker, item: NewItem, i: number): Promise<string> {
  const { model, body } = item
  try {
    const value = await maker.made(model, body)
    await batch.create(model, value)
    return value.id
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 400) throw error
    const faults = error.faults.map(fault => ({ ...fault, field: `objects[${i}].${fault.field}` }))
    throw invalid(faults)
  }
}
