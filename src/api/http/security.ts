// Who may speak to the API.  With a token: whoever knows it.  Without one: whoever may open its
// socket, or is on this machine, so it then listens on loopback only, and takes no request whose
// Host is another's name: a web page that points its own name at 127.0.0.1 would speak with the
// browser's voice.

import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { fail } from '../../core/errors.ts'
import { isUnix, type Listen } from './listener.ts'
import { Refusal } from './refusal.ts'

const TOKEN_LENGTH_MIN = 16
const LOOPBACK = /^(localhost|127(\.[0-9]{1,3}){3}|::1|\[::1\])$/

/** Refuses, before anything listens, an API that anybody could use. */
export function checkListen(listen: Listen, token: string | undefined): void {
  checkLength(token)
  if (isUnix(listen)) return
  const { host, port } = listen
  if (!(Number.isInteger(port) && port >= 0 && port <= 0xffff))
    throw fail('INVALID', { field: 'api.port', value: port, expected: 'a port from 0 to 65535' })
  if (token === undefined && !isLoopback(host))
    throw fail('INVALID', {
      field: 'api.address',
      value: host,
      expected: 'a loopback address such as 127.0.0.1, unless there is an api.token'
    })
}

function checkLength(token: string | undefined): void {
  if (token !== undefined && token.length < TOKEN_LENGTH_MIN)
    throw fail('INVALID', {
      field: 'api.token',
      value: `${token.length} characters long`,
      expected: `at least ${TOKEN_LENGTH_MIN} characters`
    })
}

const headers = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store'
} as const

// A load balancer asks for it, and it tells nothing.
const OPEN_PATH = '/health'

/** Whether the address is this machine's own: 127.0.0.0/8, ::1, localhost. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host)

/** `isOpen`: whoever reaches it may ask, by whatever name. */
export function secure(app: FastifyInstance, token: string | undefined, isOpen = false): void {
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(headers)
    if (isOpen) return
    if (token === undefined) checkHost(request)
    else if (request.routeOptions.url !== OPEN_PATH) checkToken(request, digest(token))
  })
}

function checkHost(request: FastifyRequest): void {
  // A target in absolute form says whom it is for, whatever Host says (RFC 9112 §3.2.2).
  const target = /^[a-z]+:\/\/([^/?#]*)/i.exec(request.raw.url ?? '')?.[1]
  const name = (target ?? request.headers.host ?? '').replace(/:[0-9]+$/, '')
  if (LOOPBACK.test(name)) return
  const expected = 'localhost: this API has no token'
  throw new Refusal({
    status: 403,
    code: 'FORBIDDEN',
    message: `the request is for another host; expected ${expected}`,
    faults: [{ field: 'Host', value: name, expected }]
  })
}

function checkToken(request: FastifyRequest, wanted: Buffer): void {
  const given = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
  // Equal lengths, whatever was sent, and a time that tells nothing about the token.
  if (given !== undefined && timingSafeEqual(digest(given), wanted)) return
  throw new Refusal({
    status: 401,
    code: 'UNAUTHORISED',
    message: 'this request needs a valid token',
    faults: [{ field: 'Authorization', value: undefined, expected: 'Bearer and the token' }],
    headers: { 'www-authenticate': 'Bearer realm="mezzo"' }
  })
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
