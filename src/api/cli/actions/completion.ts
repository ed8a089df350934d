// What may come next: `mezzo completion bash` prints what a shell runs when it is asked, and that
// asks back here.  Nouns, verbs and fields need no server; names of objects are those it has.

import { usage } from '../client.ts'
import type { Context } from '../words/context.ts'
import type { FieldSchema, Noun } from '../words/nouns.ts'
import type { Action } from './action.ts'
import { verbs } from './objects.ts'

// = and : break words in bash: what stands before them is there already, and is taken off again.
const BASH = `\
_mezzo() {
  local line=\${COMP_LINE:0:COMP_POINT} IFS=$'\\n' i
  local current=\${line##* }
  local cut=\${current%"\${current##*[=:]}"}
  COMPREPLY=($(mezzo completion complete "$line" 2>/dev/null))
  for i in "\${!COMPREPLY[@]}"; do COMPREPLY[i]=\${COMPREPLY[i]#"$cut"}; done
  [[ \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _mezzo mezzo`

const ZSH = `\
#compdef mezzo
_mezzo() {
  local -a found
  found=("\${(@f)$(mezzo completion complete "\${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
  compadd -S '' -- \${(M)found:#*=}
  compadd -- \${found:#*=}
}
compdef _mezzo mezzo`

/**
 * `mezzo completion`: what a shell needs, and what it asks while one types. `actions` gives those
 * of the command line, this one among them.
 */
export const completionOf = (actions: () => readonly Action[]): Action => ({
  noun: 'completion',
  verb: undefined,
  words: 'bash | zsh',
  summary: 'Print what a shell needs: source <(mezzo completion bash).',
  withoutModels: true,
  async run(context, [shell, line = '']) {
    if (shell === 'complete') return complete(context, actions(), line)
    const text = shell === 'bash' ? BASH : shell === 'zsh' ? ZSH : undefined
    if (text === undefined) throw usage('expected mezzo completion bash or mezzo completion zsh')
    await context.out({ shell, text }, async () => text)
  }
})

async function complete(context: Context, actions: readonly Action[], line: string): Promise<void> {
  const [, ...words] = line.trimStart().split(/\s+/)
  const current = words.at(-1) ?? ''
  const found = await candidates(context, actions, words)
  const fitting = [...new Set(found)].filter(each => each.startsWith(current)).sort()
  await context.out(fitting, async () => (fitting.length === 0 ? undefined : fitting.join('\n')))
}

async function candidates(
  context: Context,
  actions: readonly Action[],
  words: readonly string[]
): Promise<string[]> {
  const [word = '', verb = 'list'] = words
  const { all } = context.nouns
  if (words.length < 2) return ['help', ...all.map(n => n.kind), ...actions.map(a => a.noun)]
  if (word === 'help') return [...all.map(n => n.kind), ...actions.map(a => a.noun)]
  if (word === 'completion') return ['bash', 'zsh']
  const noun = context.nouns.find(word)
  const name = noun?.kind ?? word
  const own = actions.filter(action => action.noun === name && action.verb !== undefined)
  if (words.length === 2 && (noun !== undefined || own.length > 0))
    return ['help', ...(noun === undefined ? [] : Object.keys(verbs)), ...own.map(a => a.verb!)]
  const action = actions.find(a => a.noun === name && (a.verb === verb || a.verb === undefined))
  if (action !== undefined) {
    const at = words.length - (action.verb === undefined ? 2 : 3)
    return placeWords(context, action.words.split(' ')[at] ?? '')
  }
  return noun === undefined ? [] : fieldWords(context, noun, verb, words)
}

async function fieldWords(
  context: Context,
  noun: Noun,
  verb: string,
  words: readonly string[]
): Promise<string[]> {
  if (words.length === 3 && ['show', 'set', 'delete'].includes(verb))
    return namesOf(context, [noun.kind])
  const fields = { list: noun.filters, create: noun.settable, set: noun.settable }[verb] ?? []
  const [, field] = /^([a-zA-Z]+)=/.exec(words.at(-1)!) ?? []
  if (field === undefined) {
    const first = verb === 'create' && noun.ordered !== undefined ? ['--first'] : []
    return [...fields.map(each => `${each}=`), ...first]
  }
  const kinds = noun.references[field]
  const values = kinds === undefined ? valuesOf(noun.fields[field]) : await namesOf(context, kinds)
  return values.map(value => `${field}=${value}`)
}

function valuesOf(schema: FieldSchema | undefined): string[] {
  if (schema?.type === 'boolean') return ['true', 'false']
  return (schema?.anyOf ?? []).flatMap(({ const: value }) =>
    value === undefined ? [] : [String(value)]
  )
}

// PORT and HOST are such; what is in brackets is typed by hand.
const placeWords = (context: Context, place: string): Promise<string[]> =>
  namesOf(context, /^[A-Z]+$/.test(place) ? [place.toLowerCase()] : [])

// A server that does not answer has no names; that is no reason to complain in mid-word.
async function namesOf({ client, nouns }: Context, kinds: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const kind of kinds) {
    const noun = nouns.find(kind)
    const items = noun === undefined ? [] : await client.all(`/${noun.plural}`).catch(() => [])
    for (const { name } of items) if (typeof name === 'string') found.push(name)
  }
  return found
}
