// The REST server: fastify with our routes, our errors and our limits.  Routes come from models;
// nothing here knows a bridge from a router.  Bad input never gets further than a refusal.

import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../core/clock.ts'
import type { Counters } from '../core/counters.ts'
import { reasonOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Random } from '../core/random.ts'
import type { Completing, Model } from '../topology/model.ts'
import type { Store } from '../topology/store.ts'
import type { AgentsView } from './agents.ts'
import { documentOptions } from './document/document.ts'
import { modelSchemas, plainSchemas } from './document/schemas.ts'
import type { Health } from './health.ts'
import { Connections } from './http/connections.ts'
import { newHttp } from './http/http.ts'
import { type Listen, type Listener, listen } from './http/listener.ts'
import { methodsAt } from './http/methods.ts'
import { Refusal } from './http/refusal.ts'
import { checkListen, secure } from './http/security.ts'
import { Catalogue } from './rest/catalogue.ts'
import { addHostRoutes, addTraceRoute } from './rest/host-routes.ts'
import { Objects } from './rest/objects.ts'
import { addPluginRoutes } from './rest/plugin-routes.ts'
import { addPortRoutes } from './rest/port-routes.ts'
import { managedFields, Ports } from './rest/ports.ts'
import { addResources } from './rest/resources.ts'
import { addStateKeyRoute, addStateRoutes } from './rest/state-routes.ts'
import { Statuses } from './rest/statuses.ts'
import { addDocument, addHealth, addIndex, addMetrics, addStore } from './rest/system-routes.ts'
import { Tracer } from './trace/tracer.ts'

/** What the API is made of. */
export interface ApiOptions {
  readonly store: Store
  readonly models: readonly Model[]
  /** Names of the kinds of flow state, `connection` among them. */
  readonly stateKinds: readonly string[]
  /** Whose routes are served too. */
  readonly routes?: Parameters<typeof addPluginRoutes>[3]
  /** What is known of agents. */
  readonly agents: AgentsView
  readonly health: Health
  /** The API's own thread's. */
  readonly counters: Counters
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Where it listens. */
  readonly listen: readonly Listen[]
  /** What every request must show; undefined: none. */
  readonly token?: string | undefined
  /** What a port has that is made without saying so (topology/model.ts); default: `off`. */
  readonly newPorts?: Completing['newPorts'] | undefined
  /** Routes of whoever opens it, beside ours: the demo's. */
  readonly more?: ((app: FastifyInstance) => void) | undefined
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

async function addRoutes(app: FastifyInstance, options: ApiOptions): Promise<void> {
  const { store, agents, clock, random } = options
  const catalogue = new Catalogue(options.models)
  const objects = new Objects(store, catalogue, random, {
    managed: managedFields,
    newPorts: options.newPorts ?? 'off'
  })
  const ports = new Ports(store, agents)
  // Schemas are there to be read: bodies are judged by the models, answers are ours.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => data => JSON.stringify(data))
  for (const schema of plainSchemas) app.addSchema(schema)
  for (const model of catalogue.models)
    for (const schema of Object.values(modelSchemas(model, managedFields))) app.addSchema(schema)
  addIndex(app, catalogue)
  addResources(app, catalogue, { objects, statuses: new Statuses(store) })
  addPortRoutes(app, ports)
  addHostRoutes(app, { objects, ports, agents })
  addStateRoutes(app, objects, agents, options.stateKinds)
  addStateKeyRoute(app, store, random)
  addPluginRoutes(app, objects, agents, options.routes ?? [])
  addTraceRoute(app, new Tracer(store, ports, agents), clock)
  addStore(app, store)
  addHealth(app, options.health)
  addMetrics(app, options)
  options.more?.(app)
  addDocument(app)
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
