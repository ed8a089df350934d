// Help: of the whole, of a noun, with examples that work as they stand.

import type { Action } from './actions/action.ts'
import { actions } from './actions/actions.ts'
import { pairs } from './print.ts'
import type { FieldSchema, Noun } from './words/nouns.ts'

/** The help of the whole command. */
export const generalHelp = (nouns: readonly Noun[], all: readonly Action[] = actions): string => `\
mezzo NOUN VERB [words] [--json] [--api URL]

Every noun:
${indented(examplesOf(nouns))}

Besides:
${indented(pairs(all.map(a => [commandOf(a), a.summary])))}

Nouns: ${nouns.map(noun => noun.kind).join(', ')}

Wherever an id is taken, a name, the beginning of an id or DEVICE:NAME will do.
  --json        print what the server said
  --version     the version of this program
  --api URL     the server, or the path of its socket; or MEZZO_API.  By default the socket of
                the service or of this tree, whichever answers, else http://127.0.0.1:8181
  MEZZO_TOKEN   the token, when the server wants one; or MEZZO_TOKEN_FILE, a file with it
Exit status: 0 done, 1 refused by the server, 2 wrong usage, 3 server not reached.`

// Of the first kind whose objects stand alone and have names, and something else to set: what there
// is, plugins say.
function examplesOf(nouns: readonly Noun[]): string {
  const alone = nouns.filter(each => each.owner === undefined && each.settable.includes('name'))
  const named = alone.find(each => flagOf(each) !== undefined) ?? alone[0]
  if (named === undefined) return 'mezzo NOUN list, show, create, set, delete, help'
  const { kind, fields } = named
  const name = `${kind}1`
  const flag = flagOf(named)
  const setting = flag === undefined ? `name=${kind}2` : `${flag}=${!fields[flag]!.default}`
  const verbs = [
    ['list [field=value …]', `create name=${name}`],
    [`show ${name}`, `set ${name} ${setting}`],
    [`delete ${name}`, 'help']
  ]
  return pairs(verbs.map(row => row.map(words => `mezzo ${kind} ${words}`)))
}

const flagOf = ({ fields, settable }: Noun): string | undefined =>
  settable.find(field => fields[field]?.type === 'boolean')

const commandOf = ({ noun, verb, words }: Action): string =>
  ['mezzo', noun, verb, words].filter(part => part).join(' ')

/** The help of one kind of object: verbs, fields, an example. */
export function nounHelp(noun: Noun): string {
  const own = actions.filter(action => action.noun === noun.kind)
  const fields = Object.entries(noun.fields).filter(([field]) => noun.settable.includes(field))
  const example = Object.entries(noun.example).filter(([field]) => field !== noun.implied)
  const words = example.map(([field, value]) => `${field}=${wordOf(noun, field, value)}`)
  return `${noun.summary}

  mezzo ${noun.kind} list${noun.filters.map(field => ` [${field}=…]`).join('')}
  mezzo ${noun.kind} show ${noun.kind.toUpperCase()}
  mezzo ${noun.kind} create ${words.join(' ')}${noun.ordered ? ' [--first | --position N]' : ''}
  mezzo ${noun.kind} set ${noun.kind.toUpperCase()} field=value …    (field= takes it away)
  mezzo ${noun.kind} delete ${noun.kind.toUpperCase()}
${own.map(action => `  ${commandOf(action)}\n`).join('')}
Fields (* must be given):
${indented(pairs(fields.map(([field, schema]) => rowOf(noun, field, schema))))}`
}

/** The help of a noun that has actions only; undefined when it has none. */
export const actionHelp = (noun: string, all: readonly Action[]): string | undefined => {
  const own = all.filter(action => action.noun === noun)
  return own.length === 0 ? undefined : pairs(own.map(a => [commandOf(a), a.summary]))
}

function rowOf(noun: Noun, field: string, schema: FieldSchema): [string, string] {
  const mark = noun.required.includes(field) ? '*' : ''
  return [`${field}${mark}`, fieldText(noun, field, schema)]
}

function fieldText(noun: Noun, field: string, schema: FieldSchema): string {
  const named = noun.references[field]?.join(' or ')
  const type = schema.writeOnly === true ? '@FILE' : (named ?? typeText(schema))
  const fallback =
    schema.default === undefined ? '' : `, ${JSON.stringify(schema.default)} if absent`
  const about = schema.description === undefined ? '' : `: ${schema.description}`
  return `${type}${fallback}${about}`
}

function typeText(schema: FieldSchema): string {
  if ('const' in schema) return String(schema.const)
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(' | ')
  if (schema.type === 'array') return `${typeText(schema.items ?? {})}, …`
  if (schema.properties?.start !== undefined && schema.properties.end !== undefined)
    return '80 | 80-90 | 1024- | -1023'
  if (schema.type === 'integer' && schema.maximum !== undefined)
    return `${schema.minimum ?? 0}..${schema.maximum}`
  return schema.format ?? schema.type ?? 'JSON'
}

function wordOf(noun: Noun, field: string, value: unknown): string {
  const kinds = noun.references[field]
  if (kinds !== undefined) return kinds[0]!.toUpperCase()
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'object' ? `'${JSON.stringify(value)}'` : String(value)
}

const indented = (text: string): string => text.replace(/^/gm, '  ')
