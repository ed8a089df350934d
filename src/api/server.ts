// The REST server: fastify with our routes, our errors and our limits.  Routes come from models;
// nothing here knows a bridge from a router.  Bad input never gets further than a refusal.

import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { reasonOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { documentOptions } from './document/document.ts'
import { Connections } from './http/connections.ts'
import { newHttp } from './http/http.ts'
import { type Listen, type Listener, listen } from './http/listener.ts'
import { methodsAt } from './http/methods.ts'
import { Refusal } from './http/refusal.ts'
import { checkListen, secure } from './http/security.ts'
import { addRoutes } from './routes/routes.ts'
import type { Sources } from './routes/served.ts'

/** What the API is made of. */
export interface ApiOptions extends Sources {
  readonly log: Log
  /** Where it listens. */
  readonly listen: readonly Listen[]
  /** What every request must show; undefined: none. */
  readonly token?: string | undefined
}

/** The API, listening. */
export interface Api {
  /** Of the first listener. */
  readonly url: string
  /** The server, for routes of one's own. */
  readonly app: FastifyInstance
  readonly listeners: readonly Listener[]
  /** Resolves when no request is under way. */
  close(): Promise<void>
}

/** Listens when it resolves. */
export async function openApi(options: ApiOptions): Promise<Api> {
  for (const each of options.listen) checkListen(each, options.token)
  const app = newApp(options)
  const connections = new Connections(app, options.counters, 'api')
  secure(app, options.token)
  addRefusals(app, options)
  await app.register(swagger, documentOptions(options.token !== undefined))
  await app.register(async inner => addRoutes(inner, options))
  await app.ready()
  const listeners: Listener[] = []
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map(each => each.close()))
    await app.close()
  }
  // One that is taken is no reason to be silent at the other.
  const faults: unknown[] = []
  for (const each of options.listen)
    try {
      listeners.push(await listen(each, app.routing))
    } catch (error) {
      faults.push(error)
    }
  if (listeners.length === 0 && faults.length > 0) {
    await close()
    throw faults[0]
  }
  for (const fault of faults) options.log.error({ err: fault }, reasonOf(fault))
  for (const { server, url } of listeners) {
    connections.watch(server)
    options.log.info({ url }, 'the API listens')
  }
  return { url: listeners[0]?.url ?? '', app, listeners, close }
}

function newApp({ log }: ApiOptions): FastifyInstance {
  const app = newHttp(log)
  app.removeContentTypeParser('text/plain')
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/merge-patch+json', { parseAs: 'string' }, parseJson)
  return app
}

function addRefusals(app: FastifyInstance, { counters, log }: ApiOptions): void {
  const requests = counters.claim('api.requests', 'Requests answered')
  const refused = counters.claim('api.refused', 'Requests refused')
  const failed = counters.claim('api.failed', 'Requests that met a mistake of ours')
  const allowed = methodsAt(app)
  app.setNotFoundHandler(request => {
    throw nothingHere(request, allowed(request.url))
  })
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode: status, elapsedTime } = reply
    requests.value++
    if (status >= 500) failed.value++
    else if (status >= 400) refused.value++
    const { method, url } = request
    log.debug({ method, url: url.slice(0, URL_LOGGED), status, ms: elapsedTime }, 'request')
  })
}

const URL_LOGGED = 200

function nothingHere({ method, url }: FastifyRequest, allowed: readonly string[]): Refusal {
  const path = url.split('?', 1)[0]!.slice(0, URL_LOGGED)
  if (allowed.length === 0) {
    const message = `there is nothing at ${path}; GET / says what there is`
    const faults = [{ field: 'path', value: path, expected: 'a path of GET /openapi.json' }]
    return new Refusal({ status: 404, code: 'NOT_FOUND', message, faults })
  }
  const expected = allowed.join(', ')
  return new Refusal({
    status: 405,
    code: 'NOT_ALLOWED',
    message: `${method} is not allowed at ${path}; expected ${expected}`,
    faults: [{ field: 'method', value: method, expected }],
    headers: { allow: expected }
  })
}
