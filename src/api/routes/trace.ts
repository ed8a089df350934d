// The walk of a packet that somebody describes.

import type { FastifyInstance } from 'fastify'
import { schemaNamed } from '../document/plain-schemas.ts'
import { refTo } from '../document/schemas.ts'
import { Throttle } from '../http/throttle.ts'
import type { TraceBody } from '../trace/tracer.ts'
import { AGENT_TIMEOUT_MS } from './hosts.ts'
import { bodyOf } from './request.ts'
import { addRoute } from './route.ts'
import type { Served } from './served.ts'

// A walk takes the time of a packet worker: a hundred thousand of them would be an attack.
const TRACES_PER_SECOND = 10
const TRACES_BURST = 20
const TRACES_AT_ONCE = 4

/** The route that walks a described packet. */
export function addTraceRoute(app: FastifyInstance, { tracer, clock }: Served): void {
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
