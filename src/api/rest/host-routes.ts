// What agents know of their hosts, now: interfaces, the live flow table, and the walk of a packet.

import type { FastifyInstance } from 'fastify'
import type { Clock } from '../../core/clock.ts'
import type { AgentsView } from '../agents.ts'
import { refTo, schemaNamed } from '../document/schemas.ts'
import { Refusal } from '../http/refusal.ts'
import { Throttle } from '../http/throttle.ts'
import type { TraceBody, Tracer } from '../trace/tracer.ts'
import type { Objects } from './objects.ts'
import type { Ports } from './ports.ts'
import { bodyOf, idOf, queryOf } from './request.ts'
import { addRoute, pageQuery } from './routes.ts'

/** How long an agent is waited for. */
export const AGENT_TIMEOUT_MS = 10_000

interface Sources {
  readonly objects: Objects
  readonly ports: Ports
  readonly agents: AgentsView
}

/** Routes about hosts: agents, interfaces, flows. */
export function addHostRoutes(app: FastifyInstance, { objects, ports, agents }: Sources): void {
  addRoute(app, {
    url: '/agents',
    tag: 'hosts',
    method: 'GET',
    id: 'listAgent',
    summary: 'List the agents that report to this API.',
    answers: {
      200: { description: 'By host.', schema: { type: 'array', items: refTo('Agent') } }
    },
    async handle(request) {
      noQuery(request)
      return agents.hosts()
    }
  })
  addRoute(app, {
    url: '/hosts/:id/interfaces',
    tag: 'hosts',
    method: 'GET',
    id: 'listInterface',
    summary: 'List the network interfaces of a host.',
    answers: {
      200: { description: 'As they are now.', schema: { type: 'array', items: refTo('Interface') } }
    },
    timeoutMs: AGENT_TIMEOUT_MS,
    async handle(request) {
      noQuery(request)
      const { id } = await objects.read('host', idOf(request))
      const interfaces = (await agents.interfaces(id)) ?? away(id)
      const bound = new Map<string, string>()
      for await (const binding of ports.bindings(id)) bound.set(binding.interface, binding.port)
      return interfaces.map(each => ({ ...each, port: bound.get(each.name) }))
    }
  })
  addRoute(app, {
    url: '/hosts/:id/flows',
    tag: 'hosts',
    method: 'GET',
    id: 'listFlow',
    summary: 'List flows that are in the kernel of a host.',
    query: { limit: pageQuery(LINES_MAX).limit! },
    answers: {
      200: { description: 'Some of them.', schema: { type: 'array', items: refTo('Flow') } }
    },
    timeoutMs: AGENT_TIMEOUT_MS,
    async handle(request) {
      const { id } = await objects.read('host', idOf(request))
      const { limit } = queryOf(request, [])
      mustReport(agents, id)
      return agents.flows(id, { limit })
    }
  })
}

const LINES_MAX = 1000

// A walk takes the time of a packet worker: a hundred thousand of them would be an attack.
const TRACES_PER_SECOND = 10
const TRACES_BURST = 20
const TRACES_AT_ONCE = 4

/** The route that walks a described packet. */
export function addTraceRoute(app: FastifyInstance, tracer: Tracer, clock: Clock): void {
  const throttle = new Throttle(clock, {
    perSecond: TRACES_PER_SECOND,
    burst: TRACES_BURST,
    atOnce: TRACES_AT_ONCE
  })
  addRoute(app, {
    url: '/trace',
    tag: 'trace',
    method: 'POST',
    id: 'trace',
    summary: 'Walk a packet through the topology; nothing is sent, nothing is learned.',
    body: refTo('Trace'),
    answers: { 200: { description: 'The walk.', schema: refTo('TraceResult') } },
    refusals: [409, 429],
    timeoutMs: AGENT_TIMEOUT_MS,
    async handle(request) {
      const body = bodyOf<TraceBody>(request, schemaNamed('Trace'))
      return throttle.run('traces', () => tracer.trace(body))
    }
  })
}

function noQuery(request: Parameters<typeof queryOf>[0]): void {
  queryOf(request, [])
}

/** Throws 503 unless the host's agent reports. */
export function mustReport(agents: AgentsView, id: string): void {
  if (!agents.hosts().some(host => host.id === id && host.alive)) away(id)
}

function away(host: string): never {
  throw new Refusal({
    status: 503,
    code: 'UNAVAILABLE',
    message: `the agent of host ${host} does not report here`,
    faults: [{ field: 'id', value: host, expected: 'a host whose agent is alive; see /agents' }]
  })
}
