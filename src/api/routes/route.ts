// How a route is declared: once, with what the document says of it.  The shape of errors and what
// every route may answer are added here, so that no route can forget them.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { JsonSchema } from '../../core/config/schema.ts'
import { refTo } from '../document/schemas.ts'

/** One answer of a route. */
export interface Answer {
  /** For the document. */
  readonly description: string
  readonly schema?: JsonSchema
  /** Headers of the answer, by name. */
  readonly headers?: Readonly<Record<string, JsonSchema>>
  /** Application/json. */
  readonly type?: string
}

/** A route, complete: what it does and what the document says of it. */
export interface Route {
  /** HTTP method. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path, with parameters as `:id`. */
  readonly url: string
  /** The group it stands in. */
  readonly tag: string
  /** operationId. */
  readonly id: string
  /** A sentence for the document. */
  readonly summary: string
  /** Parameters behind the question mark. */
  readonly query?: Readonly<Record<string, JsonSchema>>
  /** Headers that are read. */
  readonly headers?: Readonly<Record<string, JsonSchema>>
  /** The request's body; without, none is read. */
  readonly body?: JsonSchema
  /** By HTTP status. */
  readonly answers: Readonly<Record<number, Answer>>
  /** Statuses of refusals beside those any route may give. */
  readonly refusals?: readonly number[]
  /** When it takes longer than is usual. */
  readonly timeoutMs?: number
  /** Gives the body of the answer, or throws a Refusal. */
  handle(request: FastifyRequest, reply: FastifyReply): Promise<unknown>
}

const refusalWords: Readonly<Record<number, string>> = {
  400: 'The request can never be right as it is.',
  401: 'No valid token.',
  403: 'Not for this host.',
  404: 'There is no such object.',
  409: 'It stands against something that is there.',
  412: 'Somebody changed it meanwhile.',
  415: 'The body is of a type that is not understood.',
  429: 'Too many in too short a time.',
  500: 'A mistake of ours; the log has it.',
  503: 'Not now.'
}

/** Adds it to the server, and to the document. */
export function addRoute(app: FastifyInstance, route: Route): void {
  const { method, url, body, timeoutMs } = route
  app.route({
    method,
    url,
    schema: {
      tags: [route.tag],
      operationId: route.id,
      summary: route.summary,
      ...paramsOf(url),
      ...(route.query && { querystring: { type: 'object', properties: route.query } }),
      ...(route.headers && { headers: { type: 'object', properties: route.headers } }),
      ...(body && { body }),
      response: responsesOf(route)
    },
    ...(timeoutMs === undefined ? {} : { handlerTimeout: timeoutMs }),
    handler: (request, reply) => route.handle(request, reply)
  })
}

function paramsOf(url: string): object {
  if (!url.includes(':id')) return {}
  const id = { type: 'string', format: 'uuid', description: 'of the object' }
  return { params: { type: 'object', properties: { id }, required: ['id'] } }
}

function responsesOf(route: Route): Record<number, object> {
  const responses: Record<number, object> = {}
  for (const [status, answer] of Object.entries(route.answers))
    responses[Number(status)] = answerOf(answer)
  const withBody = route.body === undefined ? [] : [415]
  const withId = route.url.includes(':id') ? [404] : []
  const refusals = [400, 401, 403, 500, 503, ...withId, ...withBody, ...(route.refusals ?? [])]
  for (const status of refusals)
    responses[status] = answerOf({ description: refusalWords[status]!, schema: refTo('Error') })
  return responses
}

function answerOf({ description, schema, headers, type = 'application/json' }: Answer): object {
  return {
    description,
    ...(headers && { headers }),
    ...(schema ? { content: { [type]: { schema } } } : { type: 'null' })
  }
}

/** The parameters of a list that comes in pages. */
export const pageQuery = (maximum: number): Readonly<Record<string, JsonSchema>> => ({
  limit: { type: 'integer', minimum: 1, maximum, description: 'at most so many; all by default' },
  after: { type: 'string', description: 'go on behind this id; see the Link header' }
})

/** The header that guards a change (RFC 9110 §13.1.1). */
export const ifMatch = {
  'if-match': { type: 'string', description: 'an ETag: refused with 412 unless it is current' }
} as const
