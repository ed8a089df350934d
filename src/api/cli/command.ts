// A command from its words to its exit status.  It knows no bridge and no router: nouns, fields and
// help come from the server's models, so whatever a plugin adds can be commanded at once.

import { fileURLToPath } from 'node:url'
import { reasonOf } from '../../core/errors.ts'
import { visibleLines } from '../../core/visible.ts'
import { actions } from './actions.ts'
import { Client, Exit, Failure, usage } from './client.ts'
import type { Context } from './context.ts'
import { actionHelp, generalHelp, nounHelp } from './help.ts'
import { Names } from './names.ts'
import { Nouns } from './nouns.ts'
import { verbs } from './objects.ts'

// Where a service listens, an appliance in its tree, and the demo.
const SOCKETS = [
  '/run/mezzo/api.sock',
  fileURLToPath(new URL('../../../var/api.sock', import.meta.url))
]
const PLACES = [...SOCKETS, 'http://127.0.0.1:8181']

/** What a command has of the process it runs in. */
export interface Given {
  readonly api?: string | undefined
  readonly token?: string | undefined
  readonly say: (text: string) => void
  readonly complain: (text: string) => void
}

interface Options {
  readonly words: readonly string[]
  readonly json: boolean
  readonly help: boolean
  readonly api: string | undefined
}

function optionsOf(given: readonly string[], api: string | undefined): Options {
  const words: string[] = []
  const found = { json: false, help: false, api }
  for (let i = 0; i < given.length; i++) {
    const word = given[i]!
    if (word === '--json') found.json = true
    else if (word === '--help' || word === '-h') found.help = true
    else if (word.startsWith('--api=')) found.api = word.slice('--api='.length)
    else if (word === '--api') found.api = given[++i] ?? ''
    else if (word === '--position') words.push(`--position=${given[++i] ?? ''}`)
    else if (word.startsWith('--') && words.length >= 2)
      words.push(word) // the verb's
    else if (word.startsWith('--'))
      throw usage(`${word} is no option; expected --json, --api URL or --help`)
    else words.push(word)
  }
  return { words, ...found }
}

/** Runs a command to its end; gives the exit status.  What it prints is visible, all of it. */
export async function command(args: readonly string[], given: Given): Promise<number> {
  const say = (text: string): void => given.say(visibleLines(text))
  try {
    await run(optionsOf(args, given.api), { ...given, say })
    return Exit.ok
  } catch (error) {
    given.complain(`mezzo: ${visibleLines(reasonOf(error))}`)
    return error instanceof Failure ? error.exit : Exit.refused
  }
}

async function run({ words, json, help, api }: Options, given: Given): Promise<void> {
  const { token, say } = given
  const client = new Client(api === undefined ? PLACES : [api], token)
  const [noun, verb, ...rest] = words[0] === 'help' ? words.slice(1) : words
  const wantsHelp = help || words[0] === 'help' || verb === 'help'
  if (noun === undefined || wantsHelp) return say(await helpFor(noun, client))
  const nouns = await Nouns.of(client)
  const context: Context = { client, nouns, names: new Names(client, nouns), out }
  await perform(context, noun, verb, rest)

  async function out(value: unknown, text: () => Promise<string | undefined>): Promise<void> {
    const shown = json ? JSON.stringify(value, null, 2) : await text()
    if (shown !== undefined) say(shown)
  }
}

async function perform(
  context: Context,
  word: string,
  verb: string | undefined,
  rest: readonly string[]
): Promise<void> {
  const noun = context.nouns.find(word)
  const name = noun?.kind ?? word.replace(/s$/, '')
  const action = actions.find(a =>
    a.verb === undefined ? a.noun === word : a.noun === name && a.verb === (verb ?? 'list')
  )
  if (action?.verb === undefined && action !== undefined)
    return action.run(context, verb === undefined ? [] : [verb, ...rest])
  if (action !== undefined) return action.run(context, rest)
  if (noun === undefined) throw usage(`${word} is no noun; try mezzo help`)
  const does = Object.hasOwn(verbs, verb ?? 'list') ? verbs[verb ?? 'list'] : undefined
  if (does !== undefined) return does(context, noun, rest)
  const known = [...Object.keys(verbs), ...actions.filter(a => a.noun === name).map(a => a.verb)]
  throw usage(`${verb} is no verb of ${noun.kind}; expected one of ${known.join(', ')}`)
}

/** Without a server there is still help, only less of it. */
async function helpFor(word: string | undefined, client: Client): Promise<string> {
  if (word === undefined) {
    const nouns = await Nouns.of(client).catch(() => undefined)
    return generalHelp(nouns?.all)
  }
  const own = actionHelp(word)
  const nouns =
    own === undefined ? await Nouns.of(client) : await Nouns.of(client).catch(() => null)
  const noun = nouns?.find(word)
  if (noun !== undefined) return nounHelp(noun)
  if (own === undefined) throw usage(`${word} is no noun; try mezzo help`)
  return own
}
