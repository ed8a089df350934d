// What there is to know and to do about flow state.

import type { FastifyInstance } from 'fastify'
import type { Random } from '../core/random.ts'
import { rotateStateKey } from '../topology/state-key.ts'
import type { Store } from '../topology/store.ts'
import { queryOf } from './request.ts'
import { addRoute } from './routes.ts'

export function addStateKeyRoute(app: FastifyInstance, store: Store, random: Random): void {
  addRoute(app, {
    url: '/state-key',
    tag: 'state',
    method: 'DELETE',
    id: 'rotateStateKey',
    summary: 'Give the secret of flow state up for a new one; nobody is told either.',
    answers: { 204: { description: 'The agents hear of it at once.' } },
    async handle(request, reply) {
      queryOf(request, [])
      await rotateStateKey(store, random)
      return reply.code(204).send()
    }
  })
}
