// What schemas of the OpenAPI document are made of.

import type { JsonSchema } from '../../core/config/schema.ts'

/** An id. */
export const UUID: JsonSchema = { type: 'string', format: 'uuid' }

/** A schema by its name, closed. */
export function object(
  $id: string,
  description: string,
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[],
  example: Readonly<Record<string, unknown>>
): JsonSchema {
  const examples = [example]
  return {
    $id,
    type: 'object',
    description,
    properties,
    required,
    additionalProperties: false,
    examples
  }
}

/** Text of any length. */
export const text = (description: string): JsonSchema => ({ type: 'string', description })
/** A number that is not negative. */
export const whole = (description: string): JsonSchema => ({
  type: 'integer',
  minimum: 0,
  description
})
/** True or false. */
export const yes = (description: string): JsonSchema => ({ type: 'boolean', description })
/** A list of texts. */
export const texts = (description: string): JsonSchema => ({
  type: 'array',
  items: { type: 'string' },
  description
})

/** A schema by its name; fields are there but for `optional`. */
export const record = (
  $id: string,
  description: string,
  properties: Readonly<Record<string, JsonSchema>>,
  example: Readonly<Record<string, unknown>>,
  optional: readonly string[] = []
): JsonSchema => {
  const required = Object.keys(properties).filter(name => !optional.includes(name))
  return { ...object($id, description, properties, required, example) }
}
