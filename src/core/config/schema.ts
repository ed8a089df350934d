// What is wrong with a value, in words: TypeBox says which rule of a schema failed, this says which
// field, what it holds and what was expected there. Configuration, models and API bodies share it,
// so an operator reads the same sentence wherever a mistake is found.

import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { show } from '../errors.ts'
import { isSecretName } from '../log.ts'

/** What is wrong at one place of a value. */
export interface Problem {
  /** `unknown`: the schema has no such field; `missing`: it wants one; `wrong`: another value. */
  readonly kind: 'unknown' | 'missing' | 'wrong'
  /** The field, as `store.path` or `rules[2].port`; '' is the value as a whole. */
  readonly field: string
  /** What the field holds, as it may be shown: the values of secrets are hidden. */
  readonly value: string
  /** What was expected there, in words. */
  readonly expected: string
}

interface Found {
  readonly keyword: string
  readonly schemaPath: string
  readonly instancePath: string
  readonly params: object
}

/** Everything wrong with a value, unknown fields first: they are most often what is misspelt. */
export function problemsOf(schema: TSchema, value: unknown): Problem[] {
  if (Value.Check(schema, value)) return []
  const problems = new Map<string, Problem>()
  for (const found of Value.Errors(schema, value) as Iterable<Found>)
    for (const problem of translate(schema, value, found))
      if (!problems.has(problem.field)) problems.set(problem.field, problem)
  const order = { unknown: 0, missing: 1, wrong: 2 }
  return [...problems.values()].sort((a, b) => order[a.kind] - order[b.kind])
}

function translate(schema: TSchema, value: unknown, found: Found): Problem[] {
  // Each branch of a union complains as well; the union speaks for them.
  if (/\/(anyOf|oneOf)\//.test(found.schemaPath)) return []
  if (found.schemaPath.endsWith('/additionalProperties')) return []
  const path = found.instancePath.split('/').slice(1).map(plain)
  const here = schemaAt(schema, path)
  const object = valueAt(value, path)
  const params = found.params as Record<string, readonly string[] | undefined>
  if (found.keyword === 'additionalProperties')
    return (params.additionalProperties ?? []).map(name => ({
      kind: 'unknown',
      ...shown([...path, name], valueAt(object, [name])),
      expected: oneOf(Object.keys(here?.properties ?? {}))
    }))
  if (found.keyword === 'required')
    return (params.requiredProperties ?? []).map(name => ({
      kind: 'missing',
      ...shown([...path, name], undefined),
      expected: describe(here?.properties?.[name])
    }))
  return [{ kind: 'wrong', ...shown(path, object), expected: describe(here) }]
}

const shown = (path: readonly string[], value: unknown): { field: string; value: string } => ({
  field: path.reduce(
    (text, name) => (/^\d+$/.test(name) ? `${text}[${name}]` : text ? `${text}.${name}` : name),
    ''
  ),
  value: path.some(isSecretName) ? '[hidden]' : show(value)
})

const plain = (segment: string): string => segment.replaceAll('~1', '/').replaceAll('~0', '~')

/** The parts of JSON Schema that we write; whatever else there is has no words here. */
export interface JsonSchema {
  /** A name by which others refer to it. */
  readonly $id?: string
  /** The `$id` of the schema that stands here. */
  readonly $ref?: string
  /** `object`, `array`, `string`, `number`, `integer` or `boolean`. */
  readonly type?: string
  /** What a string is, such as `uuid`: a check by name. */
  readonly format?: string
  /** The only value. */
  readonly const?: unknown
  /** The only values. */
  readonly enum?: readonly unknown[]
  /** One of these at least must hold. */
  readonly anyOf?: readonly JsonSchema[]
  /** Fields by name. */
  readonly properties?: Readonly<Record<string, JsonSchema>>
  /** Fields whose names match a pattern. */
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  /** Other fields: their schema, or false for none. */
  readonly additionalProperties?: JsonSchema | boolean
  /** Fields that must be there. */
  readonly required?: readonly string[]
  /** What each element of an array is. */
  readonly items?: JsonSchema
  /** Taken where the field is missing. */
  readonly default?: unknown
  /** For readers of the documents. */
  readonly description?: string
  /** For readers of the documents. */
  readonly examples?: readonly unknown[]
  /** The least number. */
  readonly minimum?: number
  /** The largest number. */
  readonly maximum?: number
  /** Characters at least. */
  readonly minLength?: number
  /** Characters at most. */
  readonly maxLength?: number
  /** Elements at least. */
  readonly minItems?: number
  /** Elements at most. */
  readonly maxItems?: number
  /** No two elements are equal. */
  readonly uniqueItems?: boolean
  /** A regular expression that the string matches. */
  readonly pattern?: string
  /** Set by the system, refused in a body. */
  readonly readOnly?: boolean
}

function schemaAt(schema: TSchema, path: readonly string[]): JsonSchema | undefined {
  let here: JsonSchema | undefined = schema as JsonSchema
  for (const name of path) {
    const other: JsonSchema | boolean | undefined =
      Object.values(here?.patternProperties ?? {})[0] ?? here?.additionalProperties
    const own: JsonSchema | undefined = Object.hasOwn(here?.properties ?? {}, name)
      ? here?.properties?.[name]
      : undefined
    here = own ?? here?.items ?? (typeof other === 'object' ? other : undefined)
  }
  return here
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let here = value
  for (const name of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined
    here = (here as Record<string, unknown>)[name]
  }
  return here
}

const words: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  object: 'an object',
  null: 'null'
}

/** What a schema accepts, as the end of the sentence "expected …". */
export function describe(schema: TSchema | JsonSchema | undefined): string {
  const here = schema as JsonSchema | undefined
  if (here === undefined) return 'nothing'
  if (here.anyOf !== undefined) return here.anyOf.map(describe).join(' or ')
  if (here.enum !== undefined) return oneOf(here.enum.map(show))
  if (here.const !== undefined) return show(here.const)
  if (here.type === 'array')
    return `a list${size(here.minItems, here.maxItems, 'items')} of: ${describe(here.items)}`
  const word = words[here.type ?? ''] ?? 'another value'
  if (here.type !== 'string') return `${word}${range(here.minimum, here.maximum)}`
  const form = here.format ?? here.pattern
  const length = size(here.minLength, here.maxLength, 'characters')
  return `${word}${length}${form ? ` like ${form}` : ''}`
}

function range(low: number | undefined, high: number | undefined): string {
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}`
  if (low !== undefined) return ` of ${low} or more`
  return high === undefined ? '' : ` of ${high} or less`
}

function size(low: number | undefined, high: number | undefined, what: string): string {
  if (low === undefined && high === undefined) return ''
  if (high === undefined) return ` of at least ${low} ${what}`
  return ` of ${low ?? 0} to ${high} ${what}`
}

function oneOf(names: readonly string[]): string {
  if (names.length === 0) return 'nothing here'
  return names.length === 1 ? names[0]! : `one of ${names.join(', ')}`
}
