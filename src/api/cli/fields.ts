// key=value words into a body.  The model's schema says what a value is: a number, a list, the id
// of something.  What does not fit is sent as it is: the server's refusal is the better sentence.

import { usage } from './client.ts'
import type { Names } from './names.ts'
import type { FieldSchema, Noun } from './nouns.ts'

export type Body = Record<string, unknown>

export async function bodyOf(noun: Noun, words: readonly string[], names: Names): Promise<Body> {
  const body: Body = {}
  for (const word of words) {
    const [field, text] = pairOf(word)
    if (Object.hasOwn(body, field)) throw usage(`${field} is given twice; expected it once`)
    const schema = Object.hasOwn(noun.fields, field) ? noun.fields[field] : undefined
    if (schema === undefined) throw unknown(noun, field)
    const kinds = noun.references[field]
    body[field] = kinds === undefined ? typed(schema, text) : await idsOf(schema, text, kinds)
  }
  return body

  function idsOf(schema: FieldSchema, text: string, kinds: readonly string[]): Promise<unknown> {
    if (text === '') return Promise.resolve(schema.type === 'array' ? [] : null)
    if (schema.type !== 'array') return names.id(kinds, text)
    return Promise.all(text.split(',').map(part => names.id(kinds, part)))
  }
}

/** Filters of a list: field=value, references by name as well. */
export async function queryOf(noun: Noun, words: readonly string[], names: Names): Promise<string> {
  const query = new URLSearchParams()
  for (const word of words) {
    const [field, text] = pairOf(word)
    if (!noun.filters.includes(field) && field !== 'limit')
      throw usage(`${field} is no filter of ${noun.plural}; there are ${filters(noun)}`)
    const kinds = noun.references[field]
    query.append(field, kinds === undefined ? text : await names.id(kinds, text))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

const filters = (noun: Noun): string => noun.filters.join(', ') || 'none'

function pairOf(word: string): [string, string] {
  const at = word.indexOf('=')
  if (at > 0) return [word.slice(0, at), word.slice(at + 1)]
  throw usage(`"${word}" is no setting; expected field=value`)
}

function unknown(noun: Noun, field: string): Error {
  const known = noun.settable.join(', ')
  return usage(`${field} is no field of a ${noun.kind}; expected one of ${known}`)
}

function typed(schema: FieldSchema, text: string): unknown {
  if (schema.anyOf !== undefined) return unionOf(schema.anyOf, text)
  switch (schema.type) {
    case 'string':
      return text === '' ? null : text
    case 'integer':
    case 'number':
      return text === '' ? null : numberOf(text)
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
  /^-?[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : text

function listOf(items: FieldSchema, text: string): unknown {
  if (text.startsWith('[')) return jsonOf(text)
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

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
