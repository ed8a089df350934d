// The nouns of the command line: the server's models, as GET /models describes them.
// test/api/cli.test.ts holds it.

import { suggested } from '../../../core/config/nearest.ts'
import { type Client, usage } from '../client.ts'

/** The JSON Schema of a field, as far as the command line reads it. */
export interface FieldSchema {
  /** What JSON calls it. */
  readonly type?: string
  /** What a string is, such as `uuid`. */
  readonly format?: string
  /** The only value. */
  readonly const?: unknown
  /** Alternatives. */
  readonly anyOf?: readonly FieldSchema[]
  /** What each element of an array is. */
  readonly items?: FieldSchema
  /** Fields of an object. */
  readonly properties?: Readonly<Record<string, FieldSchema>>
  /** Taken when the field is missing. */
  readonly default?: unknown
  /** Set by the system. */
  readonly readOnly?: boolean
  /** Never shown: a secret. */
  readonly writeOnly?: boolean
  /** For the help. */
  readonly description?: string
  /** The least number. */
  readonly minimum?: number
  /** The largest number. */
  readonly maximum?: number
}

/** A kind of object, as the API describes it under /models. */
export interface Noun {
  /** Singular: the command's first word. */
  readonly kind: string
  /** As in paths. */
  readonly plural: string
  /** A sentence for the help. */
  readonly summary: string
  /** The fields by name. */
  readonly fields: Readonly<Record<string, FieldSchema>>
  /** Fields that a body may have. */
  readonly settable: readonly string[]
  /** Fields that a new object needs. */
  readonly required: readonly string[]
  /** A body that is accepted. */
  readonly example: Readonly<Record<string, unknown>>
  /** Fields by which a list may be narrowed. */
  readonly filters: readonly string[]
  /** The field that holds an object's place among its siblings, if they have an order. */
  readonly ordered?: string
  /** The field that names what an object belongs to, if it does. */
  readonly owner?: string
  /** The field that a path over the owner says. */
  readonly implied?: string
  /** Fields that name other objects, and of which kinds. */
  readonly references: Readonly<Record<string, readonly string[]>>
}

/** The kinds of objects that there are. */
export class Nouns {
  /** In the API's order. */
  readonly all: readonly Noun[]

  constructor(nouns: readonly Noun[]) {
    this.all = nouns
  }

  /** Of this program's own models: what there is where no server answers. */
  static async local(): Promise<Nouns> {
    const { loadResources } = await import('../../../agent/resources.ts')
    const { modelsOf } = await import('../../../topology/assembly/assemble.ts')
    const { Catalogue } = await import('../../rest/catalogue.ts')
    const { descriptions } = await import('../../document/descriptions.ts')
    const models = modelsOf(await loadResources())
    return new Nouns(descriptions(new Catalogue(models)) as Noun[])
  }

  /** Asks the API. */
  static async of(client: Client): Promise<Nouns> {
    return new Nouns(await client.get<Noun[]>('/models'))
  }

  /** By singular or plural. */
  find(word: string): Noun | undefined {
    return this.all.find(({ kind, plural }) => word === kind || word === plural)
  }

  /** The kind; throws Failure with what might have been meant. */
  get(kind: string): Noun {
    const noun = this.find(kind)
    if (noun !== undefined) return noun
    const known = this.all.map(each => each.kind)
    throw usage(`${kind} is no noun; ${suggested(kind, known)}`)
  }
}
