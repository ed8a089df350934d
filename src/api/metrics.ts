// Counters on an address of their own, for Prometheus: it reads them and health, and nothing else
// can be asked there.

import type { FastifyInstance } from 'fastify'
import type { Counters } from '../core/counters.ts'
import type { Log } from '../core/log.ts'
import type { AgentsView } from './agents.ts'
import { plainSchemas } from './document/plain-schemas.ts'
import type { Health } from './health.ts'
import { Connections } from './http/connections.ts'
import { newHttp } from './http/http.ts'
import { type Listener, listen, type TcpAddress } from './http/listener.ts'
import { isLoopback, secure } from './http/security.ts'
import { addHealth, addMetrics } from './routes/system.ts'

/** What the page is made of. */
export interface MetricsOptions {
  readonly health: Health
  /** What is known of agents. */
  readonly agents: AgentsView
  readonly counters: Counters
  readonly log: Log
  /** Where it listens. */
  readonly listen: TcpAddress
}

/** Listens when it resolves. */
export async function openMetrics(options: MetricsOptions): Promise<Listener> {
  const app: FastifyInstance = newHttp(options.log)
  const connections = new Connections(app, options.counters, 'metrics')
  secure(app, undefined, !isLoopback(options.listen.host))
  app.setSerializerCompiler(() => data => JSON.stringify(data))
  for (const schema of plainSchemas) app.addSchema(schema)
  addMetrics(app, options)
  addHealth(app, options)
  await app.ready()
  const listener = await listen(options.listen, app.routing)
  connections.watch(listener.server)
  options.log.info({ url: listener.url }, 'metrics are served')
  const close = async (): Promise<void> => {
    await listener.close()
    await app.close()
  }
  return { ...listener, close }
}
