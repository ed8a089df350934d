// What agents know of their hosts, now: interfaces, and the live flow table.

import type { FastifyInstance } from 'fastify'
import { isOwn } from '../../topology/models.ts'
import type { AgentInfo, AgentsView } from '../agents.ts'
import { refTo } from '../document/schemas.ts'
import { Refusal } from '../http/refusal.ts'
import { idOf, queryOf } from './request.ts'
import { addRoute, pageQuery } from './route.ts'
import type { Served } from './served.ts'

/** How long an agent is waited for. */
export const AGENT_TIMEOUT_MS = 10_000

/** Routes about hosts: agents, interfaces, flows. */
export function addHostRoutes(app: FastifyInstance, { objects, ports, agents }: Served): void {
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
      const interfaces = (await agents.interfaces(id)) ?? (await silent(agents, id))
      const bound = new Map<string, string>()
      for await (const binding of ports.bindings(id)) bound.set(binding.interface, binding.port)
      return interfaces
        .filter(({ name }) => !isOwn(name))
        .map(each => ({ ...each, port: bound.get(each.name) }))
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
      await mustReport(agents, id)
      return agents.flows(id, { limit })
    }
  })
}

const LINES_MAX = 1000

function noQuery(request: Parameters<typeof queryOf>[0]): void {
  queryOf(request, [])
}

async function silent(agents: AgentsView, id: string): Promise<never> {
  away(id, await agents.host(id))
}

/** Throws 503 unless the host's agent reports. */
export async function mustReport(agents: AgentsView, id: string): Promise<void> {
  const host = await agents.host(id)
  if (host?.alive !== true) away(id, host)
}

function away(id: string, host?: AgentInfo): never {
  const { name, lastSeen } = host ?? {}
  const which = name === undefined ? id : `${name} (${id})`
  const seen = lastSeen === undefined ? '' : `; it was seen last ${lastSeen}`
  throw new Refusal({
    status: 503,
    code: 'UNAVAILABLE',
    message: `the agent of host ${which} does not report here${seen}`,
    faults: [{ field: 'id', value: id, expected: 'a host whose agent is alive; see /agents' }]
  })
}
