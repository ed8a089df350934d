// Random values for a JSON schema: mostly good ones, so that they get past the front door, and now
// and then one that no honest client would send. Chance comes from `draw` alone.

import type { JsonSchema } from '../../src/core/config/schema.ts'
import { type Draw, pick } from './packets.ts'

const HOSTILE: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 2 ** 31, 2 ** 53, 1e308, [], {}, [[]], ['']],
  ...['', ' ', '0', 'NaN', '../..', '\u0000', '%00', '\ud83d\ude00', '\ud800', 'x'.repeat(300)],
  ...['10.0.0.0/33', '::/129', '1.2.3', '02:00:00:00:00', '::1%eth0', '__proto__', 'constructor'],
  { toString: 1 },
  { constructor: { name: 'x' } },
  JSON.parse('{"__proto__":{"polluted":true}}')
]

const FORMATS: Readonly<Record<string, readonly string[]>> = {
  ipv4: ['172.31.0.1', '172.31.0.2', '0.0.0.0'],
  ip: ['10.0.1.5', '10.0.2.1', 'fd00::5', '2001:db8::1', '0.0.0.0', '::'],
  cidr: ['10.0.0.0/8', '10.0.1.0/24', '0.0.0.0/0', 'fd00::/64', '::/0', '10.0.1.5/32', '::1/128'],
  'interface-address': ['10.0.1.1/24', '10.0.2.1/24', '10.0.1.1/31', 'fd00::1/64', '::1/128'],
  mac: ['02:00:00:00:00:01', '02:00:00:00:00:02', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01'],
  uuid: ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002']
}

export const hostileValue = (draw: Draw): unknown => structuredClone(pick(draw, HOSTILE))

/** One value in `oddness` is hostile. */
export function randomValue(schema: JsonSchema, draw: Draw, oddness = 40): unknown {
  if (draw(oddness) === 0) return hostileValue(draw)
  if ('const' in schema) return schema.const
  if (schema.anyOf !== undefined) return randomValue(pick(draw, schema.anyOf), draw, oddness)
  if (schema.format !== undefined) return pick(draw, FORMATS[schema.format] ?? [''])
  switch (schema.type) {
    case 'object':
      return randomObject(schema, draw, oddness)
    case 'array':
      return Array.from({ length: draw(4) }, () => randomValue(schema.items!, draw, oddness))
    case 'boolean':
      return draw(2) === 0
    case 'integer':
    case 'number':
      return randomNumber(schema, draw)
    default:
      return `text-${draw(4)}`
  }
}

function randomObject(schema: JsonSchema, draw: Draw, oddness: number): Record<string, unknown> {
  const fields = Object.entries(schema.properties ?? {}).filter(
    ([name]) => schema.required?.includes(name) || draw(3) === 0
  )
  const object = fields.map(([name, field]) => [name, randomValue(field, draw, oddness)])
  if (draw(oddness * 4) === 0) object.push(['unknown', 1])
  return Object.fromEntries(object)
}

function randomNumber({ minimum = 0, maximum = 2 ** 31 }: JsonSchema, draw: Draw): number {
  const near = pick(draw, [minimum, maximum, minimum + draw(10), maximum - draw(10)])
  return draw(2) === 0 ? near : minimum + draw(Math.min(2 ** 31, maximum - minimum + 1))
}
