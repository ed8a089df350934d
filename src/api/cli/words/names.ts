// Wherever a command takes an id it takes a name, a number, DEVICE:NAME or the beginning of an id
// as well, as long as only one object is meant. test/api/cli.test.ts holds it.

import { visible } from '../../../core/config/visible.ts'
import { type Client, type Item, usage } from '../client.ts'
import type { Context } from './context.ts'
import type { Noun, Nouns } from './nouns.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const PREFIX_MIN = 2
const LISTED = 8

/** Objects by name, id or the beginning of an id. */
export class Names {
  readonly #client: Client
  readonly #nouns: Nouns
  readonly #lists = new Map<string, Promise<Item[]>>()

  constructor(client: Client, nouns: Nouns) {
    this.#client = client
    this.#nouns = nouns
  }

  /** The id of the one object of these kinds that is meant. */
  async id(kinds: readonly string[], text: string): Promise<string> {
    return (await this.find(kinds, text)).id
  }

  /** The one object of these kinds that the text means; throws Failure for none or several. */
  async find(kinds: readonly string[], text: string): Promise<Item> {
    // A plugin that is not loaded takes its noun with it; the others are still meant.
    const loaded = kinds.filter(kind => this.#nouns.find(kind) !== undefined)
    const nouns = (loaded.length > 0 ? loaded : kinds).map(kind => this.#nouns.get(kind))
    if (UUID.test(text) && nouns.length === 1)
      return this.#client.get<Item>(`/${nouns[0]!.plural}/${text}`)
    const lists = await Promise.all(nouns.map(noun => this.#list(noun)))
    const items = lists.flat()
    const owned = text.includes(':') ? await this.#owned(nouns, items, text) : []
    for (const meant of [
      items.filter(({ id, name }) => name === text || id === text),
      owned,
      items.filter(({ number }) => number !== undefined && String(number) === text),
      text.length >= PREFIX_MIN ? items.filter(({ id }) => id.startsWith(text)) : []
    ]) {
      if (meant.length === 1) return meant[0]!
      if (meant.length > 1) throw ambiguous(kinds, text, meant)
    }
    throw usage(`there is no ${kinds.join(' or ')} "${text}"; ${known(items)}`)
  }

  /** What a person calls an object: its name, or the beginning of its id. */
  async label(kinds: readonly string[], id: string): Promise<string> {
    for (const kind of kinds) {
      const noun = this.#nouns.find(kind)
      const items = noun === undefined ? [] : await this.#list(noun)
      const found = items.find(item => item.id === id)
      if (found === undefined) continue
      const owner = noun?.owner === undefined ? undefined : found[noun.owner]
      if (typeof found.name !== 'string') return short(id)
      if (typeof owner !== 'string' || noun === undefined) return found.name
      return `${await this.label(noun.references[noun.owner!] ?? [], owner)}:${found.name}`
    }
    return short(id)
  }

  #list(noun: Noun): Promise<Item[]> {
    let list = this.#lists.get(noun.kind)
    if (list === undefined) {
      list = this.#client.all(`/${noun.plural}`)
      this.#lists.set(noun.kind, list)
    }
    return list
  }

  // br1:p1 is the port p1 of br1.
  async #owned(nouns: readonly Noun[], items: readonly Item[], text: string): Promise<Item[]> {
    const [device, name] = text.split(':', 2)
    const owners = new Set<string>()
    for (const { owner, references } of nouns)
      for (const kind of owner === undefined ? [] : (references[owner] ?? []))
        for (const item of await this.#list(this.#nouns.get(kind)))
          if (item.name === device || item.id === device) owners.add(item.id)
    const fields = nouns.map(noun => noun.owner ?? '')
    return items.filter(
      item =>
        (item.name === name || String(item.number) === name) &&
        fields.some(field => owners.has(String(item[field])))
    )
  }
}

// Ids of so many objects are looked up for one message.
const NAMED_MAX = 8

/** A message of the server with the names of the objects whose ids are in it. */
export async function withNames(message: string, { client, nouns }: Context): Promise<string> {
  const named = new Map<string, string>()
  for (const [, before = '', id] of message.matchAll(ID_IN_TEXT)) {
    if (named.size >= NAMED_MAX || named.has(id!)) continue
    const said = nouns.find(before)
    const name = await nameOf(client, nouns, said === undefined ? nouns.all : [said], id!)
    named.set(id!, name ?? id!)
  }
  const nameIn = (text: string, id: string): string => text.replace(id, () => named.get(id) ?? id)
  // A sentence that has both says each thing once.
  const short = message.replace(NAME_AND_ID, (text, name: string, id: string) =>
    named.get(id) === name ? name : text
  )
  return short.replace(ID_IN_TEXT, (text, _, id: string) => nameIn(text, id))
}

const NAME_AND_ID = new RegExp(`(\\S+) \\((${UUID.source.slice(1, -1)})\\)`, 'g')
const ID_IN_TEXT = new RegExp(`(?:\\b([a-z-]+) )?"?(${UUID.source.slice(1, -1)})`, 'g')

async function nameOf(
  client: Client,
  nouns: Nouns,
  among: readonly Noun[],
  id: string
): Promise<string | undefined> {
  for (const noun of among) {
    const item = await client.get<Item>(`/${noun.plural}/${id}`).catch(() => undefined)
    if (item === undefined) continue
    const own = item.name ?? item.number
    const owner = noun.owner === undefined ? undefined : item[noun.owner]
    if (own === undefined) return undefined
    if (typeof owner !== 'string') return visible(String(own))
    const owners = (noun.references[noun.owner!] ?? []).flatMap(kind => nouns.find(kind) ?? [])
    const device = await nameOf(client, nouns, owners, owner)
    return device === undefined ? visible(String(own)) : `${device}:${visible(String(own))}`
  }
  return undefined
}

/** The first eight digits of an id, for tables. */
export const short = (id: string): string => id.slice(0, 8)

function ambiguous(kinds: readonly string[], text: string, meant: readonly Item[]): Error {
  const ids = meant
    .slice(0, LISTED)
    .map(({ id, name }) => `${id}${name ? ` (${visible(String(name))})` : ''}`)
  return usage(`"${text}" means several of ${kinds.join(' or ')}:\n  ${ids.join('\n  ')}`)
}

function known(items: readonly Item[]): string {
  if (items.length === 0) return 'there are none'
  const names = items.slice(0, LISTED).map(({ id, name }) => String(name ?? short(id)))
  return `there are ${names.join(', ')}${items.length > LISTED ? ' …' : ''}`
}
