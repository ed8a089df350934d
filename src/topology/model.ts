// What a resource is, declared once by whoever owns it: its schema gives the store's kind, the
// REST routes, the CLI noun and the docs.  A stored object is flat JSON: `id` (UUID), the
// schema's fields, nothing else; absent and undefined mean the same.

import type { Static, TObject } from 'typebox'
import type { Random } from '../core/random.ts'

export type ObjectId = string

export interface Stored {
  readonly id: ObjectId
  readonly [field: string]: unknown
}

export interface Reference {
  readonly field: string // holds an id, or an array of ids
  readonly kind: string | readonly string[] // what it may point at
  // When the object pointed at is deleted: refuse, forget the reference, or go along.
  readonly onDelete: 'refuse' | 'clear' | 'cascade'
}

export interface Fault {
  readonly field: string
  readonly value: unknown
  readonly expected: string
}

export interface StatusEntry {
  readonly table: string
  readonly key: string
}

// What hosts report of an object: read from a replicated table when somebody looks at it.
export interface Status {
  readonly fields: TObject // beside those of the schema, all optional
  readonly references: Readonly<Record<string, string>> // field → kind of what it names
  readonly entries: (value: Stored) => readonly StatusEntry[]
  // `found` are the values of these entries, in their order.
  readonly read: (
    value: Stored,
    found: readonly (string | undefined)[]
  ) => Readonly<Record<string, unknown>>
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

export interface Model<S extends TObject = TObject> {
  readonly kind: string // singular, kebab-case: 'tunnel-zone'
  readonly plural: string // the REST collection: 'tunnel-zones'
  readonly summary: string // one sentence for the docs
  readonly schema: S // without `id`; additionalProperties: false
  readonly references: readonly Reference[]
  readonly indexes: readonly string[] // fields `list` and `watch` may select by
  readonly unique: readonly (readonly string[])[] // groups of fields no two objects share
  // Numbers the store gives out at creation: field ← next free of the sequence.
  readonly sequences: Readonly<Record<string, { sequence: string; min: number; max: number }>>
  // Faults the schema cannot say.  Called on create and update with the whole object.
  readonly validate: (value: Stored) => readonly Fault[]
  // What a new object is where its body is silent; called before `validate`.
  readonly complete?: (value: Stored, given: Completing) => Stored
  readonly ordered?: string // field that keeps siblings in order (a rule's position)
  readonly status?: Status
  readonly hidden?: boolean // kept by the store, never shown: a secret of the system's own
}

type Optional = 'references' | 'indexes' | 'unique' | 'sequences' | 'validate'
export type ModelInput<S extends TObject> = Omit<Model<S>, Optional> &
  Partial<Pick<Model<S>, Optional>>

export const defineModel = <S extends TObject>(input: ModelInput<S>): Model<S> =>
  Object.freeze({
    references: [],
    indexes: [],
    unique: [],
    sequences: {},
    validate: () => [],
    ...input
  })

export type ModelValue<M extends Model> = Static<M['schema']> & { readonly id: ObjectId }
