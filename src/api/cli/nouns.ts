// The nouns of the command line: the server's models, as GET /models describes them.

import { suggested } from '../../core/config/nearest.ts'
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

  /** Of this program's own models: what there is where no server answers. */
  static async local(): Promise<Nouns> {
    const { loadResources } = await import('../../agent/resources.ts')
    const { modelsOf } = await import('../../topology/assembly/assemble.ts')
    const { Catalogue } = await import('../rest/catalogue.ts')
    const { descriptions } = await import('../document/descriptions.ts')
    const models = modelsOf(await loadResources())
    return new Nouns(descriptions(new Catalogue(models)) as Noun[])
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
    const known = this.all.map(each => each.kind)
    throw usage(`${kind} is no noun; ${suggested(kind, known)}`)
  }
}
