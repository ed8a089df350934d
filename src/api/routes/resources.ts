// The routes of every model, made from its declaration: its collection, its objects, and the
// collections below those it belongs to or points at.

import type { FastifyInstance, FastifyReply } from 'fastify'
import type { JsonSchema } from '../../core/config/schema.ts'
import type { Model, Stored } from '../../topology/model.ts'
import type { Versioned } from '../../topology/store.ts'
import { createBelow, refTo, typeName } from '../document/schemas.ts'
import { filtersOf, type Nested } from '../rest/catalogue.ts'
import { managedFields } from '../rest/ports.ts'
import { etagOf, expectedOf, idOf, isKnown, LIMIT_MAX, linkNext, queryOf } from './request.ts'
import { addRoute, ifMatch, pageQuery, type Route } from './route.ts'
import type { Served } from './served.ts'

const etag = { ETag: { type: 'string', description: 'its version' } } as const
const listHeaders = {
  Link: { type: 'string', description: 'rel="next": the rest of the list, if there is more' }
} as const
const location = { Location: { type: 'string', description: 'the new object' }, ...etag } as const

const listOf = (model: Model): JsonSchema => ({ type: 'array', items: refTo(typeName(model)) })

const filterQuery = (fields: readonly string[]): Record<string, JsonSchema> =>
  Object.fromEntries(
    fields.map(field => [field, { type: 'string', description: `only those with this ${field}` }])
  )

type Sources = Pick<Served, 'objects' | 'statuses'>

/** The routes of every model: its collection, its items, changes of them. */
export function addResources(app: FastifyInstance, sources: Served): void {
  const { catalogue } = sources
  for (const model of catalogue.models) {
    addCollection(app, model, sources)
    addItem(app, model, sources)
    addEdits(app, model, sources)
  }
  for (const nested of catalogue.nested) addNested(app, nested, sources)
}

function addCollection(app: FastifyInstance, model: Model, sources: Sources): void {
  const { objects, statuses } = sources
  const name = typeName(model)
  const filters = filtersOf(model)
  const common = { url: `/${model.plural}`, tag: model.plural }
  addRoute(app, {
    ...common,
    method: 'GET',
    id: `list${name}`,
    summary: `List ${model.plural}. ${model.summary}`,
    query: { ...pageQuery(LIMIT_MAX), ...filterQuery(filters) },
    answers: {
      200: { description: 'By id, or in their order.', schema: listOf(model), headers: listHeaders }
    },
    async handle(request, reply) {
      const { objects: page, next } = await objects.list(model, queryOf(request, filters))
      linkNext(request, reply, next)
      return statuses.allShown(model, valuesOf(page))
    }
  })
  addRoute(app, {
    ...common,
    method: 'POST',
    id: `create${name}`,
    summary: `Create a ${model.kind}.`,
    body: refTo(`${name}New`),
    answers: { 201: { description: 'Created.', schema: refTo(name), headers: location } },
    refusals: [409],
    handle: async (request, reply) =>
      statuses.shown(model, created(reply, model, await objects.create(model, request.body)))
  })
}

function addItem(app: FastifyInstance, model: Model, sources: Sources): void {
  const { objects, statuses } = sources
  const name = typeName(model)
  const common = { url: `/${model.plural}/:id`, tag: model.plural }
  addRoute(app, {
    ...common,
    method: 'GET',
    id: `read${name}`,
    summary: `Read a ${model.kind}.`,
    answers: {
      200: { description: 'As it is now.', schema: refTo(name), headers: etag },
      304: { description: 'If-None-Match names the current version.' }
    },
    async handle(request, reply) {
      const object = await objects.read(model.kind, idOf(request))
      void reply.header('etag', etagOf(object))
      // What hosts report has no version: whoever asks may not have seen it.
      const isOld = model.status === undefined && isKnown(request, object)
      return isOld ? reply.code(304).send() : statuses.shown(model, object.value)
    }
  })
  addRoute(app, {
    ...common,
    method: 'DELETE',
    id: `delete${name}`,
    summary: `Delete a ${model.kind}, with all that belongs to it.`,
    headers: ifMatch,
    answers: { 204: { description: 'Gone.' } },
    refusals: [409, 412],
    async handle(request, reply) {
      await objects.remove(model, idOf(request), expectedOf(request))
      await statuses.forget(model, idOf(request))
      return reply.code(204).send()
    }
  })
}

function addEdits(app: FastifyInstance, model: Model, sources: Sources): void {
  const { objects, statuses } = sources
  const name = typeName(model)
  const common = {
    url: `/${model.plural}/:id`,
    tag: model.plural,
    headers: ifMatch,
    answers: { 200: { description: 'As it is now.', schema: refTo(name), headers: etag } },
    refusals: [409, 412]
  } satisfies Partial<Route>
  addRoute(app, {
    ...common,
    method: 'PUT',
    id: `replace${name}`,
    summary: `Replace a ${model.kind}: what is not named falls back to its default.`,
    body: refTo(`${name}Put`),
    async handle(request, reply) {
      const expected = expectedOf(request)
      const object = await objects.replace(model, idOf(request), request.body, expected)
      return statuses.shown(model, changed(reply, object))
    }
  })
  addRoute(app, {
    ...common,
    method: 'PATCH',
    id: `change${name}`,
    summary: `Change some fields of a ${model.kind} (RFC 7396).`,
    body: refTo(`${name}Patch`),
    async handle(request, reply) {
      const expected = expectedOf(request)
      const object = await objects.merge(model, idOf(request), request.body, expected)
      return statuses.shown(model, changed(reply, object))
    }
  })
}

function addNested(app: FastifyInstance, nested: Nested, sources: Sources): void {
  const { objects, statuses } = sources
  const { parent, child, reference, owned } = nested
  const { field } = reference
  const filters = filtersOf(child).filter(each => each !== field)
  const common = { url: `/${parent.plural}/:id/${nested.name}`, tag: parent.plural }
  const name = `${typeName(parent)}${typeName(child)}`
  addRoute(app, {
    ...common,
    method: 'GET',
    id: `list${name}`,
    summary: `List the ${child.plural} of a ${parent.kind}.`,
    query: { ...pageQuery(LIMIT_MAX), ...filterQuery(filters) },
    answers: {
      200: { description: 'By id, or in their order.', schema: listOf(child), headers: listHeaders }
    },
    async handle(request, reply) {
      const { id } = await objects.read(parent.kind, idOf(request))
      const query = queryOf(request, filters)
      const selection = { ...query, filters: { ...query.filters, [field]: id } }
      const { objects: page, next } = await objects.list(child, selection)
      linkNext(request, reply, next)
      return statuses.allShown(child, valuesOf(page))
    }
  })
  if (!owned) return
  addRoute(app, {
    ...common,
    method: 'POST',
    id: `create${name}`,
    summary: `Create a ${child.kind} of a ${parent.kind}.`,
    body: createBelow(child, managedFields),
    answers: {
      201: { description: 'Created.', schema: refTo(typeName(child)), headers: location }
    },
    refusals: [409],
    async handle(request, reply) {
      const { id } = await objects.read(parent.kind, idOf(request))
      const object = await objects.create(child, request.body, { [field]: id })
      return statuses.shown(child, created(reply, child, object))
    }
  })
}

const valuesOf = (page: readonly Versioned[]): Stored[] => page.map(({ value }) => value)

function created(reply: FastifyReply, model: Model, object: Versioned): Stored {
  void reply.code(201).header('location', `/${model.plural}/${object.id}`)
  return changed(reply, object)
}

function changed(reply: FastifyReply, object: Versioned): Stored {
  void reply.header('etag', etagOf(object))
  return object.value
}
