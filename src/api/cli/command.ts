// A command from its words to its exit status.  It knows no bridge and no router: nouns, fields and
// help come from the server's models, so whatever a plugin adds can be commanded at once; without a
// server, from the models of its own tree.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { meant } from '../../core/config/nearest.ts'
import { visibleLines } from '../../core/config/visible.ts'
import { reasonOf } from '../../core/errors.ts'
import type { Action } from './actions/action.ts'
import { actions } from './actions/actions.ts'
import { verbs } from './actions/objects.ts'
import { pluggedActions } from './actions/plugged.ts'
import { Client, Exit, Failure, usage } from './client.ts'
import { actionHelp, generalHelp, nounHelp } from './help.ts'
import type { Context } from './words/context.ts'
import { Names, withNames } from './words/names.ts'
import { Nouns } from './words/nouns.ts'

// Where a service listens, an appliance in its tree, and the demo.
const SOCKETS = [
  '/run/mezzo/api.sock',
  fileURLToPath(new URL('../../../var/api.sock', import.meta.url))
]
const PLACES = [...SOCKETS, 'http://127.0.0.1:8181']

/** What a command has of the process it runs in. */
export interface Given {
  /** Where the API is; undefined: the places where it usually is are tried. */
  readonly api?: string | undefined
  /** What it asks for; undefined: none. */
  readonly token?: string | undefined
  /** Writes to standard output. */
  readonly say: (text: string) => void
  /** Writes to standard error. */
  readonly complain: (text: string) => void
}

interface Options {
  readonly words: readonly string[]
  readonly json: boolean
  readonly help: boolean
  readonly version: boolean
  readonly api: string | undefined
}

function optionsOf(given: readonly string[], api: string | undefined): Options {
  const words: string[] = []
  const found = { json: false, help: false, version: false, api }
  for (let i = 0; i < given.length; i++) {
    const word = given[i]!
    if (word === '--json') found.json = true
    else if (word === '--help' || word === '-h') found.help = true
    else if (word === '--version' || word === '-V') found.version = true
    else if (words[0] === 'completion') words.push(word)
    else if (word.startsWith('--api=')) found.api = word.slice('--api='.length)
    else if (word === '--api') found.api = given[++i] ?? ''
    else if (word === '--position') words.push(`--position=${given[++i] ?? ''}`)
    else if (word.startsWith('--') && words.length >= 2)
      words.push(word) // the verb's
    else if (word.startsWith('--'))
      throw usage(`${word} is no option; expected --json, --api URL, --version or --help`)
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

async function run({ words, json, help, version, api }: Options, given: Given): Promise<void> {
  const { token, say, complain } = given
  if (version) return say(await versionText())
  const client = new Client(api === undefined ? PLACES : [api], token)
  const [noun, verb, ...rest] = words[0] === 'help' ? words.slice(1) : words
  const wantsHelp = help || words[0] === 'help' || verb === 'help'
  const { nouns, fault } = await knownNouns(client)
  const isAsked = noun === undefined || wantsHelp || !isOurs(nouns, noun)
  const all = isAsked ? [...actions, ...(await pluggedActions(client))] : actions
  if (noun === undefined || wantsHelp) return say(helpFor(noun, nouns, all))
  const context: Context = { client, nouns, names: new Names(client, nouns), out }
  const job = jobOf(nouns, all, noun, verb)
  // A word that means nothing is told first: it would mean nothing to a server either.
  if (fault !== undefined && !job.withoutModels) throw fault
  try {
    await job.run(context, rest)
    if (client.warning !== undefined) complain(`mezzo: ${visibleLines(client.warning)}`)
  } catch (error) {
    if (!(error instanceof Failure) || error.exit !== Exit.refused) throw error
    throw new Failure(error.exit, await withNames(error.message, context))
  }

  async function out(value: unknown, text: () => Promise<string | undefined>): Promise<void> {
    const shown = json ? JSON.stringify(value, null, 2) : await text()
    if (shown !== undefined) say(shown)
  }
}

// The server's nouns; where there is none, or it tells us nothing, those of our own models.
async function knownNouns(client: Client): Promise<{ nouns: Nouns; fault?: unknown }> {
  try {
    return { nouns: await Nouns.of(client) }
  } catch (fault) {
    return { nouns: await Nouns.local(), fault }
  }
}

interface Job {
  readonly withoutModels: boolean // it needs no models of the server
  run(context: Context, rest: readonly string[]): Promise<void>
}

// Of the core or of a kind of objects; others may be plugins'.
const isOurs = (nouns: Nouns, word: string): boolean =>
  nouns.find(word) !== undefined || actions.some(({ noun }) => [noun, `${noun}s`].includes(word))

function jobOf(
  nouns: Nouns,
  actions: readonly Action[],
  word: string,
  verb: string | undefined
): Job {
  const noun = nouns.find(word)
  const name = noun?.kind ?? word.replace(/s$/, '')
  const action = actions.find(a =>
    a.verb === undefined ? a.noun === word : a.noun === name && a.verb === (verb ?? 'list')
  )
  const withoutModels = action?.withoutModels === true
  if (action !== undefined && action.verb !== undefined)
    return { withoutModels, run: (context, rest) => action.run(context, rest) }
  if (action !== undefined) {
    const first = verb === undefined ? [] : [verb]
    return { withoutModels, run: (context, rest) => action.run(context, [...first, ...rest]) }
  }
  const own = actions.filter(a => a.noun === name).map(a => a.verb!)
  if (noun === undefined && own.length === 0) throw noNoun(nouns, actions, word)
  const does = noun && Object.hasOwn(verbs, verb ?? 'list') ? verbs[verb ?? 'list'] : undefined
  if (noun !== undefined && does !== undefined)
    return { withoutModels, run: (context, rest) => does(context, noun, rest) }
  const known = noun === undefined ? own : [...Object.keys(verbs), ...own]
  const nearest = verb === undefined ? undefined : meant(verb, known)
  const hint = nearest === undefined ? '' : `: did you mean ${nearest}?`
  const wrong = `${verb ?? 'list'} is no verb of ${name}${hint || ';'}`
  throw usage(`${wrong} expected one of ${known.join(', ')}`)
}

function noNoun(nouns: Nouns, actions: readonly Action[], word: string): Error {
  const known = [...nouns.all.map(({ kind }) => kind), ...actions.map(({ noun }) => noun)]
  const nearest = meant(word, [...new Set(known)])
  const hint = nearest === undefined ? '' : `: did you mean ${nearest}?`
  return usage(`${word} is no noun${hint}; try mezzo help`)
}

function helpFor(word: string | undefined, nouns: Nouns, all: readonly Action[]): string {
  if (word === undefined) return generalHelp(nouns.all, all)
  const noun = nouns.find(word)
  if (noun !== undefined) return nounHelp(noun)
  const own = actionHelp(word, all) ?? actionHelp(word.replace(/s$/, ''), all)
  if (own === undefined) throw noNoun(nouns, all, word)
  return own
}

async function versionText(): Promise<string> {
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8')
  const { name, version } = JSON.parse(text) as { name: string; version: string }
  return `${name} ${version}`
}
