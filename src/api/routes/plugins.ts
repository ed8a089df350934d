// Routes of plugins' own, below the hosts that run them: declared in their control sides, described
// in the document as all others, behind the same token. test/plugins/stranger.test.ts holds it.

import type { FastifyInstance } from 'fastify'
import type { ControlRoute } from '../../agent/control/control.ts'
import { AGENT_TIMEOUT_MS, mustReport } from './hosts.ts'
import { idOf, queryOf } from './request.ts'
import { addRoute } from './route.ts'
import type { Served } from './served.ts'

/** Each is answered by the agent of the host that its path names. */
export function addPluginRoutes(app: FastifyInstance, served: Served): void {
  for (const { name, routes = [] } of served.routes ?? [])
    for (const route of routes) addPluginRoute(app, served, name, route)
}

function addPluginRoute(
  app: FastifyInstance,
  { objects, agents }: Served,
  plugin: string,
  { path, id, query = {}, body, answer, ...said }: ControlRoute
): void {
  const status = answer === undefined ? 204 : 200
  const description = answer === undefined ? 'It is done.' : 'What there is to say.'
  addRoute(app, {
    ...said,
    url: `/hosts/:id/${plugin}${path}`,
    tag: plugin,
    id,
    query,
    ...(body === undefined ? {} : { body }),
    answers: { [status]: answer === undefined ? { description } : { description, schema: answer } },
    timeoutMs: AGENT_TIMEOUT_MS,
    async handle(request, reply) {
      const { filters } = queryOf(request, Object.keys(query))
      const { id: host } = await objects.read('host', idOf(request))
      await mustReport(agents, host)
      const given = { query: filters as Record<string, string>, body: request.body }
      const said = await agents.answer(host, plugin, id, given)
      return answer === undefined ? reply.code(204).send() : said
    }
  })
}
