// What a request says beside its body: query parameters, conditions, ids.  Each answers with a
// value that can be trusted or throws a refusal that names the parameter.

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import type { JsonSchema } from '../../core/config/schema.ts'
import type { Fault } from '../../topology/model.ts'
import type { Versioned } from '../../topology/store.ts'
import { checkValue } from '../../topology/validation.ts'
import { invalid } from '../http/refusal.ts'
import { plain } from '../rest/merge.ts'
import type { Expected } from '../rest/objects.ts'

/** Objects of one page. */
export const LIMIT_MAX = 1000

/** What a request's query asks for. */
export interface Query {
  /** Values by field. */
  readonly filters: Readonly<Record<string, string>>
  /** Objects at most. */
  readonly limit: number
  /** The id behind which to go on. */
  readonly after: string | undefined
}

/** ?limit=&after= and the named filters; anything else is a mistake of the client. */
export function queryOf(request: FastifyRequest, filters: readonly string[]): Query {
  const given = Object.entries(request.query as Record<string, unknown>)
  const known = [...filters, 'limit', 'after']
  const faults: Fault[] = []
  for (const [name, value] of given)
    if (!known.includes(name))
      faults.push({ field: name, value, expected: `a parameter such as ${known.join(', ')}` })
    else if (typeof value !== 'string' || value === '')
      faults.push({ field: name, value, expected: 'one value' })
  if (faults.length > 0) throw invalid(faults)
  const { limit, after, ...rest } = Object.fromEntries(given) as Record<string, string>
  return { filters: rest, limit: limitOf(limit), after }
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return LIMIT_MAX
  const limit = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= LIMIT_MAX) return limit
  const expected = `a whole number from 1 to ${LIMIT_MAX}`
  throw invalid([{ field: 'limit', value: text, expected }])
}

/** A Link header to the rest of a list (RFC 8288). */
export function linkNext(request: FastifyRequest, reply: FastifyReply, after?: string): void {
  if (after === undefined) return
  const url = new URL(request.url, 'http://localhost')
  url.searchParams.set('after', after)
  void reply.header('link', `<${url.pathname}${url.search}>; rel="next"`)
}

export const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id

// ---- versions (RFC 9110 §13.1)

/** The ETag of an object: its version. */
export const etagOf = ({ version }: Versioned): string => `"${version}"`

/** The versions If-Match names; undefined when it names none in particular. */
export function expectedOf(request: FastifyRequest): Expected {
  const text = request.headers['if-match']
  if (text === undefined || text.trim() === '*') return undefined
  const versions = text.split(',').map(tag => /^"([0-9]{1,15})"$/.exec(tag.trim())?.[1])
  if (versions.every(version => version !== undefined))
    return { versions: versions.map(Number), text }
  throw invalid([{ field: 'If-Match', value: text, expected: 'an ETag such as "12", or *' }])
}

/** True when the client has this version already. */
export function isKnown(request: FastifyRequest, object: Versioned): boolean {
  const tags = request.headers['if-none-match']?.split(',') ?? []
  return tags.some(tag => tag.trim().replace(/^W\//, '') === etagOf(object) || tag.trim() === '*')
}

/** A body of a shape of our own (not a model's). */
export function bodyOf<T>(request: FastifyRequest, schema: JsonSchema): T {
  const body = plain(request.body)
  const faults = checkValue(schema as TSchema, body)
  if (faults.length > 0) throw invalid(faults)
  return body as T
}
