// The routes of what a port's other end is: its link, its binding, and the list of all bindings.

import type { FastifyInstance } from 'fastify'
import { schemaNamed } from '../document/plain-schemas.ts'
import { refTo } from '../document/schemas.ts'
import type { Binding, BindingPut, Ports } from '../rest/ports.ts'
import { bodyOf, expectedOf, idOf, LIMIT_MAX, linkNext, queryOf } from './request.ts'
import { addRoute, ifMatch, pageQuery } from './route.ts'
import type { Served } from './served.ts'

/** Routes about links and bindings of ports. */
export function addPortRoutes(app: FastifyInstance, { ports }: Served): void {
  addLink(app, ports)
  addBinding(app, ports)
  addMove(app, ports)
  addUnbinding(app, ports)
  addBindings(app, ports)
}

function addLink(app: FastifyInstance, ports: Ports): void {
  const common = { url: '/ports/:id/link', tag: 'ports' }
  const answers = { 200: { description: 'The port at the other end.', schema: refTo('Link') } }
  addRoute(app, {
    ...common,
    method: 'GET',
    id: 'readLink',
    summary: 'Which port this one is linked to.',
    answers,
    handle: async request => ({ peer: await ports.peer(idOf(request)) })
  })
  addRoute(app, {
    ...common,
    method: 'POST',
    id: 'link',
    summary: 'Link two free ports: what leaves one enters the other.',
    body: refTo('Link'),
    answers: { 201: { description: 'Linked, at both ends.', schema: refTo('Link') } },
    refusals: [409],
    async handle(request, reply) {
      const { peer } = bodyOf<{ peer: string }>(request, schemaNamed('Link'))
      await ports.link(idOf(request), peer)
      void reply.code(201).header('location', `/ports/${idOf(request)}/link`)
      return { peer }
    }
  })
  addRoute(app, {
    ...common,
    method: 'DELETE',
    id: 'unlink',
    summary: 'Take a link away, at both ends.',
    answers: { 204: { description: 'Both ports are free.' } },
    refusals: [409],
    async handle(request, reply) {
      await ports.unlink(idOf(request))
      return reply.code(204).send()
    }
  })
}

function addBinding(app: FastifyInstance, ports: Ports): void {
  const common = { url: '/ports/:id/binding', tag: 'ports' }
  const answers = { 200: { description: 'Where it is bound.', schema: refTo('Binding') } }
  addRoute(app, {
    ...common,
    method: 'GET',
    id: 'readBinding',
    summary: 'Which interface a port is bound to.',
    answers,
    handle: request => ports.binding(idOf(request))
  })
  addRoute(app, {
    ...common,
    method: 'PUT',
    id: 'bind',
    summary: 'Bind a free port, or one that is on `previousHost`, to an interface of a host.',
    headers: ifMatch,
    body: refTo('BindingPut'),
    answers,
    refusals: [409, 412],
    async handle(request) {
      const body = bodyOf<BindingPut>(request, schemaNamed('BindingPut'))
      return ports.bind(idOf(request), body, expectedOf(request))
    }
  })
}

function addMove(app: FastifyInstance, ports: Ports): void {
  addRoute(app, {
    url: '/ports/:id/move',
    tag: 'ports',
    method: 'POST',
    id: 'move',
    summary: 'Move a bound port to an interface of another host, in one write.',
    headers: ifMatch,
    body: refTo('BindingPut'),
    answers: { 200: { description: 'Where it is bound now.', schema: refTo('Binding') } },
    refusals: [409, 412],
    async handle(request) {
      const body = bodyOf<BindingPut>(request, schemaNamed('BindingPut'))
      return ports.move(idOf(request), body, expectedOf(request))
    }
  })
}

function addUnbinding(app: FastifyInstance, ports: Ports): void {
  addRoute(app, {
    url: '/ports/:id/binding',
    tag: 'ports',
    method: 'DELETE',
    id: 'unbind',
    summary: 'Take a binding away; the port is free and its traffic stops.',
    query: { host: { type: 'string', description: 'refused with 409 if it is bound elsewhere' } },
    headers: ifMatch,
    answers: { 204: { description: 'The port is free.' } },
    refusals: [409, 412],
    async handle(request, reply) {
      const { host } = queryOf(request, ['host']).filters
      await ports.unbind(idOf(request), host, expectedOf(request))
      return reply.code(204).send()
    }
  })
}

function addBindings(app: FastifyInstance, ports: Ports): void {
  addRoute(app, {
    url: '/bindings',
    tag: 'ports',
    method: 'GET',
    id: 'listBinding',
    summary: 'List all bindings, or those of a host.',
    query: {
      ...pageQuery(LIMIT_MAX),
      host: { type: 'string', description: 'only those on this host' }
    },
    answers: {
      200: {
        description: 'By port.',
        schema: { type: 'array', items: refTo('Binding') },
        headers: { Link: { type: 'string', description: 'rel="next": the rest of the list' } }
      }
    },
    async handle(request, reply) {
      const { filters, limit, after = '' } = queryOf(request, ['host'])
      const page: Binding[] = []
      for await (const binding of ports.bindings(filters.host)) {
        if (binding.port <= after) continue
        if (page.length === limit) {
          linkNext(request, reply, page.at(-1)?.port)
          break
        }
        page.push(binding)
      }
      return page
    }
  })
}
