// What is wrong with a value, in words: TypeBox says which rule of a schema failed, this says which
// field, what it holds and what was expected there. Configuration, models and API bodies share it,
// so an operator reads the same sentence wherever a mistake is found.

import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { show } from '../errors.ts'
import { isSecretName } from '../log.ts'

export interface Problem {
  readonly kind: 'unknown' | 'missing' | 'wrong'
  /** The field, as `store.path` or `rules[2].port`; '' is the value as a whole. */
  readonly field: string
  /** What the field holds, as it may be shown: the values of secrets are hidden. */
  readonly value: string
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
  readonly $id?: string
  readonly $ref?: string
  readonly type?: string
  readonly format?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly default?: unknown
  readonly description?: string
  readonly examples?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly pattern?: string
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
