// An object of a model that the model itself would accept: for the documents, and for the test
// that tries every route.  Made from the schema, so a new model has one without a word.

import type { JsonSchema } from '../../core/config/schema.ts'
import type { Model } from '../../topology/model.ts'
import { applyDefaults, checkObject } from '../../topology/validation.ts'
import { fieldsOf, isRequired } from '../rest/catalogue.ts'

const byFormat: Readonly<Record<string, string>> = {
  uuid: '0b9d7c44-91f2-4a3e-8e5b-7a2c4d6e8f02',
  mac: '02:4d:00:00:00:01',
  ipv4: '10.0.1.1',
  ipv6: '2001:db8::1',
  ip: '10.0.1.1',
  cidr: '10.0.1.0/24',
  'interface-address': '10.0.1.1/24',
  interface: 'tap0'
}

const ID = '6f1c0a52-3b7e-4d11-9a53-0d5a1f6b2c01'

/** A name, every required field, and the fields that the model then misses. */
export function exampleOf(model: Model): Readonly<Record<string, unknown>> {
  const fields = fieldsOf(model) as Readonly<Record<string, JsonSchema>>
  const names = Object.keys(fields).filter(field => isRequired(model, field) || field === 'name')
  for (;;) {
    const shown = names.map(field => [field, exampleValue(fields[field]!, field)])
    const example = { id: ID, ...Object.fromEntries(shown) }
    const missing = checkObject(model, applyDefaults(model, example)).find(
      ({ field }) => Object.hasOwn(fields, field) && !names.includes(field)
    )
    if (missing === undefined) return example
    names.push(missing.field)
  }
}

function exampleValue(schema: JsonSchema, field: string): unknown {
  if (schema.examples !== undefined) return schema.examples[0]
  if (schema.default !== undefined) return schema.default
  if ('const' in schema) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  if (schema.anyOf !== undefined) return exampleValue(schema.anyOf[0] ?? {}, field)
  switch (schema.type) {
    case 'string':
      return byFormat[schema.format ?? ''] ?? `${field}1`.slice(0, schema.maxLength)
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    case 'array':
      return (schema.minItems ?? 0) > 0 ? [exampleValue(schema.items ?? {}, field)] : []
    case 'object':
      return exampleObject(schema)
    default:
      return null
  }
}

const exampleObject = ({ properties = {}, required = [] }: JsonSchema): unknown =>
  Object.fromEntries(required.map(name => [name, exampleValue(properties[name] ?? {}, name)]))
