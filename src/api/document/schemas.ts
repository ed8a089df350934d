// The schemas of the OpenAPI document, made of the models' own: what comes back, what may be
// posted, put and patched.  They describe; what is right is decided by topology/validation.ts,
// whose words are better than a schema compiler's.

import type { JsonSchema } from '../../core/config/schema.ts'
import type { Model } from '../../topology/model.ts'
import {
  echoOf,
  fieldsOf,
  isRequired,
  ownerOf,
  readOnlyFields,
  writeOnlyFields
} from '../rest/catalogue.ts'
import type { Managed } from '../rest/maker.ts'
import { exampleOf } from './examples.ts'
import { object, UUID } from './shapes.ts'

/** The name of a model's schema: `tunnel-zone` is `TunnelZone`. */
export const typeName = (model: Model): string =>
  model.kind.replace(/(^|-)([a-z])/g, (_, _dash, letter: string) => letter.toUpperCase())

/** Stands for a schema by its name. */
export const refTo = (name: string): { $ref: string } => ({ $ref: `${name}#` })

/** What a model's bodies look like. */
export interface ModelSchemas {
  /** As it comes back. */
  readonly whole: JsonSchema
  /** A new object. */
  readonly create: JsonSchema
  /** An object in place of another. */
  readonly replace: JsonSchema
  /** Fields to change; null takes one away (RFC 7396). */
  readonly patch: JsonSchema
}

/** The schemas of a model, without the fields that other routes manage. */
export function modelSchemas(model: Model, managed: Managed): ModelSchemas {
  const name = typeName(model)
  const fields = fieldsOf(model) as Readonly<Record<string, JsonSchema>>
  const required = Object.keys(fields).filter(field => isRequired(model, field))
  const example = exampleOf(model)
  const told = (model.status?.fields.properties ?? {}) as Readonly<Record<string, JsonSchema>>
  const settable = without(fields, [
    ...readOnlyFields(model),
    ...Object.keys(managed[model.kind] ?? {})
  ])
  const echo = echoOf(model)
  const needed = required.filter(field => field in settable && field !== echo)
  return {
    whole: object(
      name,
      model.summary,
      { id: UUID, ...without(fields, writeOnlyFields(model)), ...told },
      ['id', ...required],
      example
    ),
    create: object(
      `${name}New`,
      `${model.summary} Without an id it gets one.`,
      { id: UUID, ...settable },
      needed,
      without(example, ['id'])
    ),
    replace: object(
      `${name}Put`,
      `${model.summary} Fields that cannot be changed may be left out.`,
      { id: UUID, ...fields, ...told },
      needed.filter(field => field !== ownerOf(model)?.field),
      example
    ),
    patch: object(
      `${name}Patch`,
      `${model.summary} Only what is named changes; null takes a field away.`,
      Object.fromEntries(Object.entries(settable).map(([f, s]) => [f, orNull(s, required, f)])),
      [],
      {}
    )
  }
}

/** What may be posted below an owner: the path says the rest. */
export function createBelow(model: Model, managed: Managed): JsonSchema {
  const said = [ownerOf(model)?.field ?? '', echoOf(model) ?? '']
  const { create } = modelSchemas(model, managed)
  const { properties = {}, required = [], examples = [] } = create
  return {
    type: 'object',
    description: model.summary,
    properties: without(properties, said),
    required: required.filter(field => !said.includes(field)),
    additionalProperties: false,
    examples: examples.map(example => without(example as Record<string, unknown>, said))
  }
}

const orNull = (schema: JsonSchema, required: readonly string[], field: string): JsonSchema =>
  required.includes(field) ? schema : { anyOf: [schema, { type: 'null' }] }

const without = <T>(record: Readonly<Record<string, T>>, names: readonly string[]) =>
  Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)))
