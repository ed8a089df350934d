// What a verb of one noun is, and what such verbs share.

import { usage } from '../client.ts'
import type { Context } from '../words/context.ts'

/** A verb of the command line that is no change of one object. */
export interface Action {
  /** What it is about; the command's first word. */
  readonly noun: string
  /** undefined: the noun is the verb. */
  readonly verb: string | undefined
  /** As help shows them. */
  readonly words: string
  /** A sentence for the help. */
  readonly summary: string
  /** It does without the models of the server; default: false. */
  readonly withoutModels?: boolean
  /** Does it; throws Failure with the exit code. */
  run(context: Context, words: readonly string[]): Promise<void>
}

/** For a command that says nothing when it is done. */
export const nothing = async () => undefined

/** The ids behind words; a word of no kind is left as it is. */
export async function ids(
  words: readonly string[],
  kinds: readonly (readonly string[])[],
  shape: string,
  names: Context['names']
): Promise<string[]> {
  if (words.length !== kinds.length) throw usage(`${words.length} words; expected ${shape}`)
  const found: string[] = []
  for (const [i, word] of words.entries())
    found.push(kinds[i]!.length === 0 ? word : await names.id(kinds[i]!, word))
  return found
}

/** Words of the form name=value apart from the others. */
export function settings(
  words: readonly string[],
  known: readonly string[]
): { readonly rest: string[]; readonly given: Map<string, string> } {
  const given = new Map<string, string>()
  const rest: string[] = []
  for (const word of words) {
    const [, name, value] = /^([a-zA-Z]+)=(.*)$/.exec(word) ?? []
    if (name === undefined || value === undefined) rest.push(word)
    else if (known.includes(name)) given.set(name, value)
    else throw usage(`${name} is not known here; expected one of ${known.join(', ')}`)
  }
  return { rest, given }
}
