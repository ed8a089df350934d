// What the routes have at hand: made once, of what the API is opened with. Each takes its part.

import type { FastifyInstance } from 'fastify'
import type { Control } from '../../agent/control/control.ts'
import type { Clock } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import type { Random } from '../../core/random.ts'
import type { CommandPart } from '../../topology/assembly/resources.ts'
import type { Completing, Model } from '../../topology/model.ts'
import type { Store } from '../../topology/store.ts'
import type { AgentsView } from '../agents.ts'
import type { Health } from '../health.ts'
import { Catalogue } from '../rest/catalogue.ts'
import { Objects } from '../rest/objects.ts'
import { managedFields, Ports } from '../rest/ports.ts'
import { Statuses } from '../rest/statuses.ts'
import { Tracer } from '../trace/tracer.ts'

/** What is served, and from where. */
export interface Sources {
  readonly store: Store
  readonly models: readonly Model[]
  /** Names of the kinds of flow state, `connection` among them. */
  readonly stateKinds: readonly string[]
  /** Whose routes are served too. */
  readonly routes?: readonly Pick<Control, 'name' | 'routes'>[] | undefined
  /** What the command line may ask of plugins, with whole paths. */
  readonly commands?: readonly CommandPart[] | undefined
  /** What is known of agents. */
  readonly agents: AgentsView
  readonly health: Health
  /** The API's own thread's. */
  readonly counters: Counters
  readonly clock: Clock
  readonly random: Random
  /** What a port has that is made without saying so (topology/model.ts); default: `off`. */
  readonly newPorts?: Completing['newPorts'] | undefined
  /** Routes of whoever opens it, beside ours: the demo's. */
  readonly more?: ((app: FastifyInstance) => void) | undefined
}

/** The sources, and what stands between them and the routes. */
export interface Served extends Sources {
  readonly catalogue: Catalogue
  readonly objects: Objects
  readonly ports: Ports
  readonly statuses: Statuses
  readonly tracer: Tracer
}

/** Makes it; no request is served yet. */
export function servedOf(sources: Sources): Served {
  const { store, agents, random, newPorts = 'off' } = sources
  const catalogue = new Catalogue(sources.models)
  const objects = new Objects(store, catalogue, { managed: managedFields, newPorts, random })
  const ports = new Ports(store, agents)
  const statuses = new Statuses(store)
  const tracer = new Tracer(store, ports, agents)
  return { ...sources, catalogue, objects, ports, statuses, tracer }
}
