// Several new objects in one request: all of them are made, or none.

import type { FastifyInstance } from 'fastify'
import { schemaNamed } from '../document/plain-schemas.ts'
import { refTo } from '../document/schemas.ts'
import { invalid } from '../http/refusal.ts'
import type { Catalogue } from '../rest/catalogue.ts'
import type { NewItem } from '../rest/objects.ts'
import { bodyOf } from './request.ts'
import { addRoute } from './route.ts'
import type { Served } from './served.ts'

interface BatchBody {
  readonly objects: readonly Readonly<Record<string, unknown>>[]
}

/** The route of batches. */
export function addBatchRoute(app: FastifyInstance, { catalogue, objects }: Served): void {
  addRoute(app, {
    url: '/batch',
    tag: 'batch',
    method: 'POST',
    id: 'createBatch',
    summary: 'Create several objects of any kinds at once: all of them, or none.',
    body: refTo('Batch'),
    answers: { 201: { description: 'Created.', schema: refTo('BatchResult') } },
    refusals: [409],
    async handle(request, reply) {
      const { objects: given } = bodyOf<BatchBody>(request, schemaNamed('Batch'))
      const ids = await objects.createAll(given.map((each, i) => itemOf(catalogue, each, i)))
      void reply.code(201)
      return { ids }
    }
  })
}

function itemOf(catalogue: Catalogue, given: BatchBody['objects'][number], i: number): NewItem {
  const { kind, ...body } = given
  if (typeof kind === 'string' && catalogue.has(kind)) return { model: catalogue.model(kind), body }
  const expected = `one of ${catalogue.models.map(model => model.kind).join(', ')}`
  throw invalid([{ field: `objects[${i}].kind`, value: kind, expected }])
}
