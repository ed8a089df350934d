// What is wrong with an object, in words an operator understands: field path, value, and what was
// expected.  Store, API and configuration all ask here, so that each says the same.  TypeBox's
// compiled check answers the common case (nothing wrong); only a refusal walks the schema.

import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import Format from 'typebox/format'
import Value from 'typebox/value'
import { suggested } from '../core/config/nearest.ts'
import type { JsonSchema } from '../core/config/schema.ts'
import { isVisible } from '../core/config/visible.ts'
import { fail, type MezzoError, show } from '../core/errors.ts'
import { isSecretName } from '../core/log.ts'
import { expectedOf } from './formats.ts'
import type { Fault, Model, Stored } from './model.ts'

// A hostile body must not make an endless answer.
const FAULTS_MAX = 32

const validators = new WeakMap<TSchema, Validator>()

const validatorOf = (schema: TSchema): Validator => {
  let validator = validators.get(schema)
  if (validator === undefined) validators.set(schema, (validator = Compile(schema)))
  return validator
}

/** Faults of any value against any schema; none when it is good. */
export function checkValue(schema: TSchema, value: unknown, path = ''): readonly Fault[] {
  const validator = validatorOf(schema)
  if (validator.Check(value)) return []
  const faults: Fault[] = []
  walk(schema as JsonSchema, value, path, faults)
  if (faults.length > 0) return faults.slice(0, FAULTS_MAX)
  // A keyword the walk does not know: TypeBox's own words are better than none.
  return validator.Errors(value).map(error => ({
    field: dotted(path, error.instancePath.slice(1).replaceAll('/', '.')),
    value,
    expected: error.message
  }))
}

/** Faults of a stored object: its id, its fields, then what only the model's owner knows. */
export function checkObject(model: Model, value: Stored): readonly Fault[] {
  if (!isRecord(value)) return [{ field: model.kind, value, expected: 'an object' }]
  const { id, ...fields } = value
  const faults = [...idFaults(id), ...checkValue(model.schema, fields)]
  if (faults.length === 0) hiddenFaults(fields, '', faults)
  return faults.length > 0 ? faults : model.validate(value)
}

// Names and whatever else is text: people read it, on terminals and in logs.
function hiddenFaults(value: unknown, path: string, faults: Fault[]): void {
  if (faults.length >= FAULTS_MAX) return
  if (typeof value === 'string' && !isVisible(value))
    faults.push({ field: path, value, expected: 'text without control characters' })
  else if (Array.isArray(value))
    for (const [i, item] of value.entries()) hiddenFaults(item, `${path}[${i}]`, faults)
  else if (isRecord(value))
    for (const [field, inner] of Object.entries(value)) {
      const at = dotted(path, field)
      hiddenFaults(field, at, faults)
      hiddenFaults(inner, at, faults)
    }
}

/** The error that refuses an object.  The first fault makes the sentence, `faultsOf` has all. */
export function invalid(kind: string, id: unknown, faults: readonly Fault[]): MezzoError {
  const { field, value, expected } = faults[0]!
  const shown = value === undefined ? 'missing' : isSecretName(field) ? 'hidden' : show(value)
  const params = { field: `${kind} ${show(id)}: ${field}`, value: shown, expected }
  return fail('INVALID', params, faults)
}

/** The object, when nothing is wrong with it; else throws INVALID with every fault. */
export function checked(model: Model, value: Stored): Stored {
  const faults = checkObject(model, value)
  if (faults.length > 0) throw invalid(model.kind, value?.id, faults)
  return value
}

/** The faults an INVALID error carries. */
export const faultsOf = (error: MezzoError): readonly Fault[] =>
  Array.isArray(error.cause) ? (error.cause as Fault[]) : []

/** The object with its schema's defaults filled in; fields that are undefined are left out. */
export function applyDefaults(model: Model, value: Stored): Stored {
  if (!isRecord(value)) return value
  const { id, ...fields } = JSON.parse(JSON.stringify(value)) as Stored
  return { id, ...(Value.Default(model.schema, fields) as object) }
}

const idFaults = (id: unknown): Fault[] =>
  typeof id === 'string' && Format.Test('uuid', id)
    ? []
    : [{ field: 'id', value: id, expected: expectedOf('uuid') }]

const dotted = (path: string, field: string): string => (path === '' ? field : `${path}.${field}`)

function walk(schema: JsonSchema, value: unknown, path: string, faults: Fault[]): void {
  if (faults.length >= FAULTS_MAX) return
  if (schema.type === 'object' && isRecord(value)) walkObject(schema, value, path, faults)
  else if (schema.type === 'array' && Array.isArray(value)) walkArray(schema, value, path, faults)
  else if (schema.anyOf !== undefined) walkUnion(schema, value, path, faults)
  else if (!fitsScalar(schema, value)) faults.push({ field: path, value, expected: words(schema) })
}

function walkObject(
  schema: JsonSchema,
  value: Record<string, unknown>,
  path: string,
  faults: Fault[]
): void {
  const properties = schema.properties ?? {}
  for (const field of schema.required ?? []) {
    if (value[field] !== undefined) continue
    const expected = words(properties[field] ?? {})
    faults.push({ field: dotted(path, field), value: undefined, expected })
  }
  for (const [field, inner] of Object.entries(value)) {
    if (faults.length >= FAULTS_MAX) return
    const known = Object.hasOwn(properties, field) ? properties[field] : undefined
    if (known !== undefined) {
      if (inner !== undefined) walk(known, inner, dotted(path, field), faults)
    } else if (schema.additionalProperties === false) {
      const expected = `no such field; ${suggested(field, Object.keys(properties))}`
      faults.push({ field: dotted(path, field), value: inner, expected })
    }
  }
}

function walkArray(schema: JsonSchema, value: unknown[], path: string, faults: Fault[]): void {
  const { minItems = 0, maxItems = Infinity, items = {}, uniqueItems } = schema
  const repeated =
    uniqueItems === true && new Set(value.map(item => JSON.stringify(item))).size < value.length
  if (value.length < minItems || value.length > maxItems || repeated)
    faults.push({ field: path, value, expected: words(schema) })
  for (let i = 0; i < value.length && faults.length < FAULTS_MAX; i++)
    walk(items, value[i], `${path}[${i}]`, faults)
}

// Of several shapes, the faults of the one that comes nearest help most: an object's own fields.
function walkUnion(schema: JsonSchema, value: unknown, path: string, faults: Fault[]): void {
  const shapes = schema.anyOf ?? []
  if (shapes.some(shape => fits(shape, value))) return
  const nearest = shapes.find(shape => shape.type === 'object' && isRecord(value))
  if (nearest !== undefined && shapes.length === 1) walk(nearest, value, path, faults)
  else faults.push({ field: path, value, expected: words(schema) })
}

function fits(schema: JsonSchema, value: unknown): boolean {
  const faults: Fault[] = []
  walk(schema, value, '', faults)
  return faults.length === 0
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function fitsScalar(schema: JsonSchema, value: unknown): boolean {
  if ('const' in schema) return value === schema.const
  if (schema.enum !== undefined) return schema.enum.includes(value)
  switch (schema.type) {
    case undefined:
      return true
    case 'string':
      return typeof value === 'string' && fitsText(schema, value)
    case 'integer':
      return Number.isInteger(value) && fitsRange(schema, value as number)
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) && fitsRange(schema, value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'null':
      return value === null
    default:
      return false
  }
}

const fitsRange = (
  { minimum = -Infinity, maximum = Infinity }: JsonSchema,
  value: number
): boolean => value >= minimum && value <= maximum

const fitsText = (schema: JsonSchema, value: string): boolean =>
  value.length >= (schema.minLength ?? 0) &&
  value.length <= (schema.maxLength ?? Infinity) &&
  (schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value)) &&
  (schema.format === undefined || Format.Test(schema.format, value))

/** What a schema asks for, in plain words. */
function words(schema: JsonSchema): string {
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return oneOf(schema.enum.map(value => JSON.stringify(value)))
  if (schema.anyOf !== undefined) return oneOf(schema.anyOf.map(words))
  switch (schema.type) {
    case 'string':
      return textWords(schema)
    case 'integer':
      return `a whole number${rangeWords(schema.minimum, schema.maximum)}`
    case 'number':
      return `a number${rangeWords(schema.minimum, schema.maximum)}`
    case 'boolean':
      return 'true or false'
    case 'array':
      return arrayWords(schema)
    case 'object':
      return 'an object'
    default:
      return schema.type ?? 'a value'
  }
}

const oneOf = (all: readonly string[]): string =>
  all.length < 2 ? (all[0] ?? 'nothing') : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`

function textWords(schema: JsonSchema): string {
  if (schema.format !== undefined) return expectedOf(schema.format)
  if (schema.pattern !== undefined) return `text that matches ${schema.pattern}`
  const range = rangeWords(schema.minLength, schema.maxLength)
  return range === '' ? 'text' : `text of${range.replace(' from', '')} characters`
}

function arrayWords(schema: JsonSchema): string {
  const { minItems, maxItems, items = {}, uniqueItems } = schema
  const range = rangeWords(minItems, maxItems).replace(' from', ' of')
  const items_ = minItems === undefined && maxItems === undefined ? '' : ' items'
  return `a list${range}${items_}, each ${words(items)}${uniqueItems ? ', none twice' : ''}`
}

function rangeWords(min: number | undefined, max: number | undefined): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`
  if (min !== undefined) return ` from ${min} up`
  return max === undefined ? '' : ` up to ${max}`
}
