// key=value words into a body.  The model's schema says what a value is: a number, a list, the id
// of something.  What does not fit is sent as it is: the server's refusal is the better sentence.

import { readFile } from 'node:fs/promises'
import { suggested } from '../../../core/config/nearest.ts'
import { reasonOf } from '../../../core/errors.ts'
import { Exit, Failure, usage } from '../client.ts'
import type { Names } from './names.ts'
import type { FieldSchema, Noun } from './nouns.ts'

/** A body for the API, by field. */
export type Body = Record<string, unknown>

/** A field and its value, as it was typed. */
type Pair = readonly [field: string, text: string]

/** The body that `field=value` words mean; throws Failure for a word that is none. */
export async function bodyOf(noun: Noun, words: readonly string[], names: Names): Promise<Body> {
  const body: Body = {}
  const pairs = words.map(word => placeOf(noun, word) ?? pairOf(word))
  for (const [given, said] of pairs) {
    const [field, text] = meaningOf(noun, given, said, pairs)
    if (Object.hasOwn(body, field)) throw usage(`${field} is given twice; expected it once`)
    const schema = Object.hasOwn(noun.fields, field) ? noun.fields[field] : undefined
    if (schema === undefined) throw unknown(noun, field)
    const kinds = noun.references[field]
    if (schema.writeOnly === true) body[field] = await secretIn(field, text)
    else body[field] = kinds === undefined ? typed(schema, text) : await idsOf(schema, text, kinds)
  }
  return body

  function idsOf(schema: FieldSchema, text: string, kinds: readonly string[]): Promise<unknown> {
    if (text === '') return Promise.resolve(schema.type === 'array' ? [] : null)
    if (schema.type !== 'array') return names.id(kinds, text)
    return Promise.all(text.split(',').map(part => names.id(kinds, part)))
  }
}

// A word of a command is seen by all users of the machine, and kept by the shell.
async function secretIn(field: string, text: string): Promise<string | null> {
  if (text === '') return null
  if (!text.startsWith('@'))
    throw usage(`${field} is a secret: expected ${field}=@FILE, whose first line is read`)
  const file = text.slice(1)
  const read = await readFile(file, 'utf8').catch(error => {
    throw new Failure(Exit.usage, `${field}: ${file} cannot be read: ${reasonOf(error)}`)
  })
  return read.split('\n', 1)[0]!.trim()
}

/** Filters of a list: field=value, references by name as well. */
export async function queryOf(noun: Noun, words: readonly string[], names: Names): Promise<string> {
  const query = new URLSearchParams()
  for (const word of words) {
    const [field, text] = pairOf(word)
    if (!noun.filters.includes(field) && field !== 'limit')
      throw usage(`${field} is no filter of ${noun.plural}; ${suggested(field, noun.filters)}`)
    const kinds = noun.references[field]
    query.append(field, kinds === undefined ? text : await names.id(kinds, text))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

function pairOf(word: string): Pair {
  if (word.startsWith('--')) throw usage(`${word} is no option of this`)
  const at = word.indexOf('=')
  if (at > 0) return [word.slice(0, at), word.slice(at + 1)]
  throw usage(`"${word}" is no setting; expected field=value`)
}

// Where an object comes to stand among its siblings: --first, or --position N.
function placeOf({ kind, ordered }: Noun, word: string): Pair | undefined {
  const [, first, number] = /^--(?:(first)|position=(.+))$/.exec(word) ?? []
  if (first === undefined && number === undefined) return undefined
  if (ordered === undefined) throw usage(`${word}: a ${kind} has no place among others`)
  return [ordered, number ?? '1']
}

// What people say, and the field and value that say it here.
function meaningOf({ fields }: Noun, field: string, text: string, all: readonly Pair[]): Pair {
  if (field === 'protocol' && text === 'arp' && 'ethType' in fields) return ['ethType', 'arp']
  if (!('gateway' in fields) || field !== 'destination') return [field, text]
  const gateway = all.find(([name]) => name === 'gateway')?.[1] ?? ''
  if (text === 'default6' || (text === 'default' && gateway.includes(':'))) return [field, '::/0']
  return [field, text === 'default' || text === 'default4' ? '0.0.0.0/0' : text]
}

// Numbers of IEEE 802 that people know by name.
const ETHER_TYPES: Readonly<Record<string, number>> = {
  ip: 0x0800,
  ipv4: 0x0800,
  arp: 0x0806,
  ipv6: 0x86dd
}

const unknown = (noun: Noun, field: string): Error =>
  usage(`${field} is no field of a ${noun.kind}; ${suggested(field, noun.settable)}`)

function typed(schema: FieldSchema, text: string): unknown {
  if (schema.anyOf !== undefined) return unionOf(schema.anyOf, text)
  switch (schema.type) {
    case 'string':
      return text === '' ? null : text
    case 'integer':
    case 'number':
      return text === '' ? null : (ETHER_TYPES[text] ?? numberOf(text))
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text === '' ? null : text
    case 'array':
      return listOf(schema.items ?? {}, text)
    default:
      return text === '' ? null : (rangeOf(schema, text) ?? jsonOf(text))
  }
}

// 80, 80-90, 1024- or -1023, where the model has { start, end }.
function rangeOf({ properties }: FieldSchema, text: string): unknown {
  if (properties?.start === undefined || properties.end === undefined) return undefined
  const [, start = '', dash, end = ''] = /^([0-9]*)(-?)([0-9]*)$/.exec(text) ?? []
  if (start === '' && end === '') return undefined
  if (dash === '') return { start: Number(start), end: Number(start) }
  return {
    ...(start !== '' && { start: Number(start) }),
    ...(end !== '' && { end: Number(end) })
  }
}

const numberOf = (text: string): unknown =>
  /^(-?[0-9]+(\.[0-9]+)?|0x[0-9a-f]+)$/i.test(text) ? Number(text) : text

// Objects have commas of their own: {"from":"10.0.0.1"},{"from":"10.0.0.2"} are two of them.
function listOf(items: FieldSchema, text: string): unknown {
  if (text.startsWith('[')) return jsonOf(text)
  if (text.startsWith('{')) return jsonOf(`[${text}]`, text)
  return text === '' ? [] : text.split(',').map(part => typed(items, part))
}

// The shape of which the text is a value; text is text when it may be.
function unionOf(shapes: readonly FieldSchema[], text: string): unknown {
  if (text === '') return null
  if (shapes.some(shape => shape.const === text)) return text
  const wanted = (type: string): boolean => shapes.some(shape => shape.type === type)
  if (/^[[{]/.test(text)) return jsonOf(text)
  if (wanted('array') && text.includes(',')) {
    const items = shapes.find(shape => shape.type === 'array')?.items
    return listOf(items ?? {}, text)
  }
  const number = numberOf(text)
  if (typeof number === 'number' && (wanted('integer') || wanted('number'))) return number
  if (wanted('boolean') && /^(true|false)$/.test(text)) return text === 'true'
  return text
}

function jsonOf(text: string, typed = text): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw usage(`${typed} is no JSON: ${reasonOf(error)}`)
  }
}
