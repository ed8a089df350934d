// Bodies as values: what may be merged (RFC 7396), and when two values are the same.

import { invalid } from '../http/refusal.ts'

/** A JSON object. */
export type Plain = Readonly<Record<string, unknown>>

/** Whether a value of JSON is an object. */
export const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The body of a request that must be a JSON object. */
export function plain(body: unknown): Plain {
  const fault = sizeFault(body)
  if (fault !== undefined) throw invalid([{ field: 'body', ...fault }])
  if (isPlain(body)) return body
  throw invalid([{ field: 'body', value: body, expected: 'a JSON object' }])
}

// No model is deeper; what walks a body may recurse.
const DEPTH_MAX = 16
// Nor is any larger: whoever walks it holds up everybody else.
const VALUES_MAX = 20_000

// Level by level, because a hostile body is deeper than the stack.
function sizeFault(body: unknown): { value: string; expected: string } | undefined {
  let level: unknown[] = [body]
  let values = 0
  for (let depth = 0; level.length > 0; depth++) {
    const below: unknown[] = []
    if (depth > DEPTH_MAX) return tooMuch(`nested deeper than ${DEPTH_MAX}`, `${DEPTH_MAX} levels`)
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue
      const inner = Object.values(value)
      values += inner.length
      if (values > VALUES_MAX)
        return tooMuch(`more than ${VALUES_MAX} values`, `${VALUES_MAX} fields and items`)
      below.push(...inner)
    }
    level = below
  }
  return undefined
}

const tooMuch = (value: string, most: string) => ({ value, expected: `at most ${most}` })

/** A null takes a field away, an object is merged into, anything else replaces. */
export function merge(value: unknown, patch: unknown): unknown {
  if (!isPlain(patch)) return patch
  const merged = new Map(Object.entries(isPlain(value) ? value : {}))
  for (const [field, change] of Object.entries(patch))
    if (change === null) merged.delete(field)
    else merged.set(field, merge(merged.get(field), change))
  return Object.fromEntries(merged)
}

/** Equal as JSON, whatever the order of fields; an absent field and undefined are the same. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, i) => sameValue(item, b[i]))
    )
  if (!isPlain(a) || !isPlain(b)) return a === b
  const fields = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...fields].every(field => sameValue(a[field], b[field]))
}
