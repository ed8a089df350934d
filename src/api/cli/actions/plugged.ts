// Commands that plugins declare: each asks a route of theirs, of one host or of all that answer.
// What comes back is shown as it is: lines of what stands alone, a table of each list.

import { type Client, Failure, usage } from '../client.ts'
import { type Rows, table } from '../print.ts'
import type { Context } from '../words/context.ts'
import { short } from '../words/names.ts'
import type { Action } from './action.ts'

/** A command, as the API gives it. */
interface Plugged {
  readonly noun: string
  readonly verb: string
  readonly summary: string
  readonly path: string
}

/** The server's; where none answers, those of the plugins of this tree. */
export async function pluggedActions(client: Client): Promise<Action[]> {
  const commands = await client.get<Plugged[]>('/commands').catch(async () => {
    const { loadResources } = await import('../../../agent/resources.ts')
    const { commandsOf } = await import('../../../topology/assembly/assemble.ts')
    return commandsOf(await loadResources())
  })
  return commands.filter(isWhole).map(({ noun, verb, summary, path }) => ({
    ...{ noun, verb, summary, words: '[HOST]' },
    run: (context: Context, words: readonly string[]) => ask(path, context, words)
  }))
}

// What answers may be something else than we believe.
const isWhole = (command: Plugged): boolean =>
  [command.noun, command.verb, command.path].every(word => typeof word === 'string')

type Answer = Readonly<Record<string, unknown>>

async function ask(path: string, context: Context, words: readonly string[]): Promise<void> {
  if (words.length > 1) throw usage(`${words.length} words; expected [HOST]`)
  const answers: Answer[] = []
  for (const { id, name } of await hostsOf(context, words[0])) {
    const at = path.replace('{id}', id)
    // Of several, one that does not answer is told beside the others.
    const answer = await context.client.get<Answer>(at).catch(error => {
      if (words.length === 1 || !(error instanceof Failure)) throw error
      return { reason: error.message }
    })
    answers.push({ host: name, ...answer })
  }
  await context.out(answers, () => textOf(answers, context))
}

async function hostsOf(
  { client, names }: Context,
  word: string | undefined
): Promise<{ readonly id: string; readonly name: string }[]> {
  if (word === undefined) {
    const all = await client.get<{ id: string; name: string; alive: boolean }[]>('/agents')
    return all.filter(({ alive }) => alive)
  }
  const { id, name } = await names.find(['host'], word)
  return [{ id, name: String(name) }]
}

const isList = (value: unknown): value is Answer[] =>
  Array.isArray(value) && value.every(item => typeof item === 'object' && item !== null)

async function textOf(answers: readonly Answer[], context: Context): Promise<string> {
  if (answers.length === 0) return 'no host answers'
  const alone = answers.map(each =>
    Object.fromEntries(Object.entries(each).filter(([, value]) => !isList(value)))
  )
  const parts = [await tableOf(alone, context)]
  const lists = new Set(
    answers.flatMap(each => Object.keys(each).filter(name => isList(each[name])))
  )
  for (const name of lists) {
    const rows = answers.flatMap(each =>
      ((each[name] ?? []) as Answer[]).map(row => ({ host: each.host, ...row }))
    )
    parts.push(rows.length === 0 ? `no ${name}` : `${name}\n${await tableOf(rows, context)}`)
  }
  return parts.join('\n\n')
}

async function tableOf(rows: readonly Answer[], context: Context): Promise<string> {
  const head = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const cells: Rows = await Promise.all(
    rows.map(row => Promise.all(head.map(name => cellOf(name, row[name], context))))
  )
  return table(head, cells)
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

async function cellOf(name: string, value: unknown, { nouns, names }: Context): Promise<string> {
  if (value === undefined || value === null || value === '') return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.join(', ')
  if (typeof value === 'object') return JSON.stringify(value)
  const text = String(value)
  if (!UUID.test(text)) return text
  return nouns.find(name) === undefined ? short(text) : names.label([name], text)
}
