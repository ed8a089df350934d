// What a resource is, declared once by whoever owns it: its schema gives the store's kind, the
// REST routes, the CLI noun and the docs.  A stored object is flat JSON: `id` (UUID), the
// schema's fields, nothing else; absent and undefined mean the same.

import type { Static, TObject } from 'typebox'
import type { Random } from '../core/random.ts'

/** Id of an object: a UUID in lower case. */
export type ObjectId = string

/** An object as the store keeps it. */
export interface Stored {
  readonly id: ObjectId
  readonly [field: string]: unknown
}

/** A field that names other objects. */
export interface Reference {
  /** Holds an id, or an array of ids. */
  readonly field: string
  /** What it may point at. */
  readonly kind: string | readonly string[]
  /** When the object pointed at is deleted: refuse, forget the reference, or go along. */
  readonly onDelete: 'refuse' | 'clear' | 'cascade'
}

/** What is wrong with a field. */
export interface Fault {
  /** Its path, `allowedAddresses[1].mac`. */
  readonly field: string
  /** What was said. */
  readonly value: unknown
  /** What would have been right, in words. */
  readonly expected: string
}

/** An entry of a shared table. */
export interface StatusEntry {
  /** The table. */
  readonly table: string
  /** The key. */
  readonly key: string
  /** Counts only while the session lives that wrote it. */
  readonly ofLiving?: boolean
  /**
   * The key ends in a space: all entries of living sessions are meant that have one more word, and
   * `read` is given them as JSON, a list of [the word, the value].
   */
  readonly isPrefix?: boolean
}

/** What hosts report of an object: read from a replicated table when somebody looks at it. */
export interface Status {
  /** Beside those of the schema, all optional. */
  readonly fields: TObject
  /** Field → kind of what it names. */
  readonly references: Readonly<Record<string, string>>
  /** Which entries an object's status is made of. */
  readonly entries: (value: Stored) => readonly StatusEntry[]
  /** Those that stand for as long as the object. */
  readonly seeds?: (id: ObjectId) => readonly StatusEntry[]
  /** `found` are the values of these entries, in their order. */
  readonly read: (
    value: Stored,
    found: readonly (string | undefined)[]
  ) => Readonly<Record<string, unknown>>
}

/** Where a model's owner looks at other objects, as they are now. */
export interface ObjectReader {
  /** undefined: there is none. */
  read(kind: string, id: ObjectId): Promise<{ readonly value: Stored } | undefined>
  /** All of a kind, or those whose indexed field has a value. */
  list(
    kind: string,
    index?: { field: string; value: string }
  ): AsyncIterable<{ readonly value: Stored }>
}

/** What a new object is completed with. */
export interface Completing {
  readonly random: Random
  /**
   * What a port may send whose body says nothing of it (the setting `ports.security`): anything,
   * no answers of DHCP and routers, or nothing until its addresses are listed.
   */
  readonly newPorts: 'off' | 'services' | 'addresses'
}

/** A kind of object: fields, references, what must be unique. */
export interface Model<S extends TObject = TObject> {
  /** Singular, kebab-case: 'tunnel-zone'. */
  readonly kind: string
  /** The REST collection: 'tunnel-zones'. */
  readonly plural: string
  /** One sentence for the docs. */
  readonly summary: string
  /** Without `id`; additionalProperties: false. */
  readonly schema: S
  readonly references: readonly Reference[]
  /** Fields `list` and `watch` may select by. */
  readonly indexes: readonly string[]
  /** Groups of fields no two objects share. */
  readonly unique: readonly (readonly string[])[]
  /** Numbers the store gives out at creation: field ← next free of the sequence. */
  readonly sequences: Readonly<Record<string, { sequence: string; min: number; max: number }>>
  /** Faults the schema cannot say. Called on create and update with the whole object. */
  readonly validate: (value: Stored) => readonly Fault[]
  /** Faults that other objects tell. The API asks, on create and update; the store does not. */
  readonly related?: (value: Stored, others: ObjectReader) => Promise<readonly Fault[]>
  /** What a new object is where its body is silent; called before `validate`. */
  readonly complete?: (value: Stored, given: Completing) => Stored
  /** Field that keeps siblings in order (a rule's position). */
  readonly ordered?: string
  readonly status?: Status
  /** Kept by the store, never shown: a secret of the system's own. */
  readonly hidden?: boolean
}

type Optional = 'references' | 'indexes' | 'unique' | 'sequences' | 'validate'
/** A model as it is written: what is not said has its default. */
export type ModelInput<S extends TObject> = Omit<Model<S>, Optional> &
  Partial<Pick<Model<S>, Optional>>

/** A model, complete and frozen. */
export const defineModel = <S extends TObject>(input: ModelInput<S>): Model<S> =>
  Object.freeze({
    references: [],
    indexes: [],
    unique: [],
    sequences: {},
    validate: () => [],
    ...input
  })

/** An object of a model. */
export type ModelValue<M extends Model> = Static<M['schema']> & { readonly id: ObjectId }
