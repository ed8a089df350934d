// What the API says of itself: its index, its models, its health, the counters.

import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import { Exposition } from '../../core/exposition.ts'
import type { StoreReport } from '../../topology/store.ts'
import { descriptions } from '../document/descriptions.ts'
import { refTo } from '../document/schemas.ts'
import { queryOf } from './request.ts'
import { addRoute } from './route.ts'
import type { Served } from './served.ts'

const TAG = 'system'
const ACTIONS = [
  '/bindings',
  '/agents',
  '/trace',
  '/store',
  '/health',
  '/metrics',
  '/models',
  '/commands',
  '/openapi.json'
]

const anything = { type: 'object', additionalProperties: true } as const

/** The route `/`: what there is. */
export function addIndex(app: FastifyInstance, { catalogue, commands = [] }: Served): void {
  const links = Object.fromEntries(
    [...catalogue.models.map(model => `/${model.plural}`), ...ACTIONS].map(path => [
      path.slice(1).replace('.json', ''),
      path
    ])
  )
  const models = descriptions(catalogue)
  addRoute(app, {
    url: '/',
    tag: TAG,
    method: 'GET',
    id: 'index',
    summary: 'Where everything is.',
    answers: { 200: { description: 'Name and path.', schema: anything } },
    async handle(request) {
      queryOf(request, [])
      return { name: 'mezzo', links }
    }
  })
  addRoute(app, {
    url: '/models',
    tag: TAG,
    method: 'GET',
    id: 'listModel',
    summary: 'The kinds of objects there are, as a command line needs them.',
    answers: {
      200: { description: 'By collection.', schema: { type: 'array', items: anything } }
    },
    async handle(request) {
      queryOf(request, [])
      return models
    }
  })
  addRoute(app, {
    url: '/commands',
    tag: TAG,
    method: 'GET',
    id: 'listCommand',
    summary: 'What the command line may ask of plugins, a host each.',
    answers: {
      200: { description: 'By plugin.', schema: { type: 'array', items: anything } }
    },
    async handle(request) {
      queryOf(request, [])
      return commands
    }
  })
}

/** The route of the OpenAPI document. */
export function addDocument(app: FastifyInstance): void {
  addRoute(app, {
    url: '/openapi.json',
    tag: TAG,
    method: 'GET',
    id: 'openapi',
    summary: 'This document.',
    answers: { 200: { description: 'OpenAPI 3.1.', schema: anything } },
    handle: async () => app.swagger()
  })
}

// RFC 7234, section 5.5.1: what is said may be out of date.
const STALE = '110 mezzo "the store is away: this is what is known of it"'

/** GET /store, and a warning on whatever else is read while it is not connected. */
export function addStore(app: FastifyInstance, { store }: Served): void {
  app.addHook('onSend', async (request, reply) => {
    if (request.method === 'GET' && store.report().state !== 'connected')
      void reply.header('warning', STALE)
  })
  addRoute(app, {
    url: '/store',
    tag: TAG,
    method: 'GET',
    id: 'store',
    summary: 'How the store is, as this server sees it.',
    answers: { 200: { description: 'It is this.', schema: refTo('Store') } },
    async handle(request) {
      queryOf(request, [])
      return shown(store.report())
    }
  })
}

const shown = ({ gauges, counters, ...report }: StoreReport) => ({
  ...Object.fromEntries(Object.entries(report).filter(([, value]) => value !== undefined)),
  counters: { ...gauges, ...counters }
})

/** The route that says whether the API can work. */
export function addHealth(app: FastifyInstance, { health }: Pick<Served, 'health'>): void {
  addRoute(app, {
    url: '/health',
    tag: TAG,
    method: 'GET',
    id: 'health',
    summary: 'Whether the API can do its work; asks for no token.',
    answers: { 200: { description: 'It can.', schema: refTo('Health') } },
    async handle(_request, reply) {
      const report = await health.report()
      if (report.status !== 'ok') void reply.code(503)
      return report
    }
  })
}

type Counted = Pick<Served, 'agents' | 'counters'>

/** The route that Prometheus reads. */
export function addMetrics(app: FastifyInstance, { counters, agents }: Counted): void {
  addRoute(app, {
    url: '/metrics',
    tag: TAG,
    method: 'GET',
    id: 'metrics',
    summary: 'All counters, as Prometheus reads them.',
    answers: {
      200: { description: 'Text format.', schema: { type: 'string' }, type: 'text/plain' }
    },
    async handle(request, reply) {
      queryOf(request, [])
      // Made anew for each scrape: a host that has gone is gone from the page as well.
      const page = new Exposition(new Registry())
      page.local('api', counters, 'api')
      for (const { host, source, snapshot } of agents.metrics()) page.merge(host, snapshot, source)
      void reply.type(page.contentType)
      return page.text()
    }
  })
}
