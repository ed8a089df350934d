// Agents of all hosts that share the store, as the API asks them: those of this process as they
// are, the others where they say that they listen.  test/zookeeper/one-api.test.ts holds it.

import type { ControlRequest } from '../../agent/control/control.ts'
import { fail } from '../../core/errors.ts'
import { type KnownHost, knownHost, knownHosts } from '../../topology/hosts/registry.ts'
import type { Store } from '../../topology/store.ts'
import type {
  AgentInfo,
  AgentsView,
  FlowLine,
  HostCounters,
  InterfaceInfo,
  PeerLine,
  StateLine,
  StateQuery,
  TraceRequest,
  TraceResult
} from '../agents.ts'
import type { TcpAddress } from '../http/listener.ts'
import { away, type Caller } from './caller.ts'
import type { Details, EffectOf, Topic } from './questions.ts'

/** What they are found by. */
export interface ClusterAgentsParts {
  /** Those of this process. */
  readonly local: AgentsView
  /** Where hosts register. */
  readonly store: Pick<Store, 'table' | 'read' | 'list' | 'known'>
  readonly caller: Caller
  /** What the routes of plugins do. */
  readonly effectOf: EffectOf
}

/** Agents, wherever they run. */
export class ClusterAgents implements AgentsView {
  readonly #parts: ClusterAgentsParts

  constructor(parts: ClusterAgentsParts) {
    this.#parts = parts
  }

  async hosts(): Promise<AgentInfo[]> {
    const { local, store } = this.#parts
    const here = await local.hosts()
    const others = (await knownHosts(store)).filter(({ id }) => here.every(each => each.id !== id))
    return [...here, ...others.map(infoOf)]
  }

  async host(id: string): Promise<AgentInfo | undefined> {
    const { local, store } = this.#parts
    const here = await local.host(id)
    if (here !== undefined) return here
    const known = await knownHost(store, id)
    return known === undefined ? undefined : infoOf(known)
  }

  async interfaces(host: string): Promise<readonly InterfaceInfo[] | undefined> {
    if (await this.#isHere(host)) return this.#parts.local.interfaces(host)
    return (await this.#ask(host, 'interfaces', {})) as InterfaceInfo[]
  }

  async flows(host: string, page: { readonly limit: number }): Promise<readonly FlowLine[]> {
    if (await this.#isHere(host)) return this.#parts.local.flows(host, page)
    return (await this.#ask(host, 'flows', page)) as FlowLine[]
  }

  async state(host: string, query: StateQuery): Promise<readonly StateLine[]> {
    if (await this.#isHere(host)) return this.#parts.local.state(host, query)
    return (await this.#ask(host, 'state', query as Details<'state'>)) as StateLine[]
  }

  async peers(host: string): Promise<readonly PeerLine[]> {
    if (await this.#isHere(host)) return this.#parts.local.peers(host)
    return (await this.#ask(host, 'peers', {})) as PeerLine[]
  }

  async trace(host: string, request: TraceRequest): Promise<TraceResult> {
    if (await this.#isHere(host)) return this.#parts.local.trace(host, request)
    const { portId: port, frame } = request
    const details = { port, frame: Buffer.from(frame).toString('hex') }
    return (await this.#ask(host, 'trace', details)) as TraceResult
  }

  async answer(
    host: string,
    plugin: string,
    route: string,
    request: ControlRequest
  ): Promise<unknown> {
    if (await this.#isHere(host)) return this.#parts.local.answer(host, plugin, route, request)
    const { query, body } = request
    const details = { plugin, operation: route, query, ...(body !== undefined && { body }) }
    const changes = this.#parts.effectOf(plugin, route) === 'changes'
    return this.#ask(host, 'plugin', details, changes)
  }

  /** Of this process alone: Prometheus asks each. */
  metrics(): readonly HostCounters[] {
    return this.#parts.local.metrics()
  }

  async #isHere(host: string): Promise<boolean> {
    return (await this.#parts.local.host(host)) !== undefined
  }

  async #ask<T extends Topic>(
    id: string,
    topic: T,
    details: Details<T>,
    changes = false
  ): Promise<unknown> {
    const { store, caller } = this.#parts
    const host = await knownHost(store, id)
    if (host === undefined) throw fail('NOT_FOUND', { kind: 'host', id })
    return caller.ask({ id, name: host.name, at: addressOf(host) }, topic, details, changes)
  }
}

const infoOf = ({ id, name, registration, lastSeen }: KnownHost): AgentInfo => ({
  ...{ id, name, alive: registration !== undefined },
  ...(lastSeen !== undefined && { lastSeen })
})

function addressOf(host: KnownHost): TcpAddress {
  const { registration, lastSeen } = host
  if (registration === undefined)
    throw away(host, lastSeen === undefined ? 'it was never seen' : `it was seen last ${lastSeen}`)
  const [, name, port] = /^\[?([0-9a-f.:]+?)\]?:(\d{1,5})$/.exec(registration.cluster ?? '') ?? []
  if (name === undefined)
    throw away(host, 'it has not said where it may be asked (cluster.enabled, cluster.address)')
  return { host: name, port: Number(port) }
}
