// The verbs every noun has: list, show, create, set, delete.

import { type Item, usage } from '../client.ts'
import { itemText, listText } from '../print.ts'
import type { Context } from '../words/context.ts'
import { bodyOf, queryOf } from '../words/fields.ts'
import type { Noun } from '../words/nouns.ts'

type Verb = (context: Context, noun: Noun, words: readonly string[]) => Promise<void>

/** What can be done with an object of any kind. */
export const verbs: Readonly<Record<string, Verb>> = { list, show, create, set, delete: remove }

async function list({ client, names, out }: Context, noun: Noun, words: readonly string[]) {
  const query = await queryOf(noun, words, names)
  const items = query.includes('limit=')
    ? await client.get<Item[]>(`/${noun.plural}${query}`)
    : await client.all(`/${noun.plural}${query}`)
  await out(items, () => listText(noun, items, names))
}

async function show({ names, out }: Context, noun: Noun, words: readonly string[]) {
  const item = await names.find([noun.kind], one(noun, words))
  await out(item, () => itemText(noun, item, names))
}

async function create({ client, names, out }: Context, noun: Noun, words: readonly string[]) {
  const item = await client.send('POST', `/${noun.plural}`, await bodyOf(noun, words, names))
  await out(item, async () => item!.id)
}

async function set({ client, names, out }: Context, noun: Noun, words: readonly string[]) {
  const [which, ...settings] = words
  if (which === undefined || settings.length === 0)
    throw usage(`expected mezzo ${noun.kind} set ${noun.kind.toUpperCase()} field=value …`)
  const id = await names.id([noun.kind], which)
  const body = await bodyOf(noun, settings, names)
  const item = await client.send('PATCH', `/${noun.plural}/${id}`, body)
  await out(item, async () => undefined)
}

async function remove({ client, names, out }: Context, noun: Noun, words: readonly string[]) {
  const id = await names.id([noun.kind], one(noun, words))
  await client.send('DELETE', `/${noun.plural}/${id}`)
  await out({ id }, async () => undefined)
}

function one(noun: Noun, words: readonly string[]): string {
  if (words.length === 1) return words[0]!
  throw usage(`${words.length} words; expected one ${noun.kind}: a name, an id, or its beginning`)
}
