// What every command is given: the server, its nouns, names for ids, and where to write.

import type { Client } from '../client.ts'
import type { Names } from './names.ts'
import type { Nouns } from './nouns.ts'

/** What a verb is given to work with. */
export interface Context {
  readonly client: Client
  readonly nouns: Nouns
  readonly names: Names
  /** JSON of the value, or the text a person reads; undefined text: nothing is printed. */
  out(value: unknown, text: () => Promise<string | undefined>): Promise<void>
}
