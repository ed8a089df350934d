// HTTP as we speak it: limits of time and size that no client can argue with, and an answer of ours
// to what never becomes a request.

import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { reasonOf } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { BODY_MAX, invalid, Refusal, refusalOf } from './refusal.ts'

// A client has so long for its head, and so long for the whole request; who is late is looked for
// so often.
const HEADERS_TIMEOUT_MS = 5_000
const RECEIVE_TIMEOUT_MS = 15_000
const CHECK_MS = 1_000
const HANDLER_TIMEOUT_MS = 30_000
const IDLE_TIMEOUT_MS = 60_000
const ID_LENGTH_MAX = 64

/** Of every server that requests come by. */
export const timeouts = {
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: RECEIVE_TIMEOUT_MS,
  connectionsCheckingInterval: CHECK_MS,
  keepAliveTimeout: IDLE_TIMEOUT_MS
} as const

/** Answers requests; who listens is `Listener`. */
export function newHttp(log: Log): FastifyInstance {
  const app = Fastify({
    bodyLimit: BODY_MAX,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: ID_LENGTH_MAX },
    frameworkErrors: (error, request, reply: FastifyReply) => {
      const refusal = refusalOf(error) ?? internal(error, request, log)
      void reply.code(refusal.status).send(refusal.body)
    }
  })
  app.addHook('onRequest', async request => refuseTwice(request))
  app.setErrorHandler((error, request, reply) => {
    const refusal = refusalOf(error) ?? internal(error, request, log)
    void reply.code(refusal.status).headers(refusal.headers).send(refusal.body)
  })
  return app
}

// What may be said once (RFC 9112 §3.2, RFC 9110 §5.3).  Said twice, we and a proxy before us may
// each believe another one.
const ONCE = ['host', 'authorization', 'content-type', 'content-length', 'transfer-encoding']

function refuseTwice({ raw }: FastifyRequest): void {
  const seen = new Set<string>()
  for (let i = 0; i < raw.rawHeaders.length; i += 2) {
    const name = raw.rawHeaders[i]!.toLowerCase()
    if (!ONCE.includes(name)) continue
    if (seen.has(name)) throw invalid([{ field: name, value: 'said twice', expected: 'it once' }])
    seen.add(name)
  }
}

/** What is no HTTP never becomes a request: the answer is written by hand. */
export function refuseGarbage(error: Error & { code?: string }, socket: Socket): void {
  const { status, body } = garbage(error.code)
  const text = JSON.stringify(body)
  const head = [`HTTP/1.1 ${status}`, 'content-type: application/json', 'connection: close']
  const length = `content-length: ${Buffer.byteLength(text)}`
  if (socket.writable) socket.end([...head, length, '', text].join('\r\n'))
  else socket.destroy()
}

function garbage(code: string | undefined): { status: string; body: unknown } {
  const late = 'the request did not come to its end in time'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return {
      status: '408 Request Timeout',
      body: new Refusal({ status: 408, code: 'TIMEOUT', message: late }).body
    }
  const faults = [{ field: 'request', value: undefined, expected: 'HTTP/1.1' }]
  return { status: '400 Bad Request', body: invalid(faults).body }
}

function internal(error: unknown, request: FastifyRequest, log: Log): Refusal {
  log.error({ err: error, request: request.id, method: request.method }, reasonOf(error))
  const message = `a mistake of ours; the log has it under request ${request.id}`
  return new Refusal({ status: 500, code: 'INTERNAL', message })
}
