// Every route there is: a list, in the order in which the document shows them. The server listens
// and refuses; what is asked of it is answered from here.

import type { FastifyInstance } from 'fastify'
import { plainSchemas } from '../document/plain-schemas.ts'
import { modelSchemas } from '../document/schemas.ts'
import { managedFields } from '../rest/ports.ts'
import { addBatchRoute } from './batch.ts'
import { addHostRoutes } from './hosts.ts'
import { addPluginRoutes } from './plugins.ts'
import { addPortRoutes } from './ports.ts'
import { addResources } from './resources.ts'
import { type Served, type Sources, servedOf } from './served.ts'
import { addStateKeyRoute, addStateRoutes } from './state.ts'
import { addDocument, addHealth, addIndex, addMetrics, addStore } from './system.ts'
import { addTraceRoute } from './trace.ts'

const all: readonly ((app: FastifyInstance, served: Served) => void)[] = [
  addIndex,
  addResources,
  addBatchRoute,
  addPortRoutes,
  addHostRoutes,
  addStateRoutes,
  addStateKeyRoute,
  addPluginRoutes,
  addTraceRoute,
  addStore,
  addHealth,
  addMetrics,
  (app, { more }) => more?.(app),
  addDocument
]

/** Adds all routes, and the schemas that they refer to. */
export function addRoutes(app: FastifyInstance, sources: Sources): void {
  const served = servedOf(sources)
  // Schemas are there to be read: bodies are judged by the models, answers are ours.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => data => JSON.stringify(data))
  for (const schema of plainSchemas) app.addSchema(schema)
  for (const model of served.catalogue.models)
    for (const schema of Object.values(modelSchemas(model, managedFields))) app.addSchema(schema)
  for (const add of all) add(app, served)
}
