// The nouns of the command line: the server's models, as GET /models describes them.

import { type Client, usage } from './client.ts'

export interface FieldSchema {
  readonly type?: string
  readonly format?: string
  readonly const?: unknown
  readonly anyOf?: readonly FieldSchema[]
  readonly items?: FieldSchema
  readonly properties?: Readonly<Record<string, FieldSchema>>
  readonly default?: unknown
  readonly readOnly?: boolean
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
}

export interface Noun {
  readonly kind: string
  readonly plural: string
  readonly summary: string
  readonly fields: Readonly<Record<string, FieldSchema>>
  readonly settable: readonly string[]
  readonly required: readonly string[]
  readonly example: Readonly<Record<string, unknown>>
  readonly filters: readonly string[]
  readonly ordered?: string
  readonly owner?: string
  readonly implied?: string
  readonly references: Readonly<Record<string, readonly string[]>>
}

export class Nouns {
  readonly all: readonly Noun[]

  constructor(nouns: readonly Noun[]) {
    this.all = nouns
  }

  static async of(client: Client): Promise<Nouns> {
    return new Nouns(await client.get<Noun[]>('/models'))
  }

  /** By singular or plural. */
  find(word: string): Noun | undefined {
    return this.all.find(({ kind, plural }) => word === kind || word === plural)
  }

  get(kind: string): Noun {
    const noun = this.find(kind)
    if (noun !== undefined) return noun
    const known = this.all.map(each => each.kind).join(', ')
    throw usage(`${kind} is no noun; expected one of ${known}`)
  }
}
