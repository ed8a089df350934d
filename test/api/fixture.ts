// A real server on loopback over a real store in memory, for the tests of the API and the command
// line.  Agents are played by MemoryAgents: what they report is set by the test.

import { loadResources } from '../../src/agent/resources.ts'
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
} from '../../src/api/agents.ts'
import { Health } from '../../src/api/health.ts'
import type { Listen } from '../../src/api/http/listener.ts'
import { type Api, type ApiOptions, openApi } from '../../src/api/server.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { openLog } from '../../src/core/log.ts'
import { SystemRandom } from '../../src/core/random.ts'
import { commandsOf, modelsOf } from '../../src/topology/assembly/assemble.ts'
import type { Model } from '../../src/topology/model.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import type { Store } from '../../src/topology/store.ts'

export class MemoryAgents implements AgentsView {
  readonly reporting = new Map<string, { info: AgentInfo; interfaces: InterfaceInfo[] }>()
  readonly table = new Map<string, FlowLine[]>()
  readonly records = new Map<string, StateLine[]>()
  readonly asked: StateQuery[] = []
  readonly around = new Map<string, PeerLine[]>()
  readonly traced: { host: string; request: TraceRequest }[] = []

  report(id: string, name: string, interfaces: readonly string[]): void {
    const described = interfaces.map((each, i) => ({
      name: each,
      index: i + 1,
      mac: `02:00:00:00:00:0${i + 1}`,
      mtu: 1500,
      up: true,
      addresses: [],
      refusal: null
    }))
    this.reporting.set(id, { info: { id, name, alive: true }, interfaces: described })
  }

  async hosts(): Promise<AgentInfo[]> {
    return [...this.reporting.values()].map(({ info }) => info)
  }

  async host(id: string): Promise<AgentInfo | undefined> {
    return this.reporting.get(id)?.info
  }

  async interfaces(hostId: string): Promise<InterfaceInfo[] | undefined> {
    return this.reporting.get(hostId)?.interfaces
  }

  async flows(hostId: string, { limit }: { limit: number }): Promise<FlowLine[]> {
    return (this.table.get(hostId) ?? []).slice(0, limit)
  }

  async state(hostId: string, query: StateQuery): Promise<StateLine[]> {
    this.asked.push(query)
    return (this.records.get(hostId) ?? []).slice(0, query.limit)
  }

  async peers(hostId: string): Promise<PeerLine[]> {
    return this.around.get(hostId) ?? []
  }

  async trace(host: string, request: TraceRequest): Promise<TraceResult> {
    this.traced.push({ host, request })
    return {
      lines: [`in   port ${request.portId}`, 'out  nowhere'],
      verdict: 'drop',
      dropReason: 'bridge.same-port',
      mask: ['eth-dst'],
      actions: [],
      tags: [`port/${request.portId}`]
    }
  }

  async answer(_host: string, plugin: string, route: string): Promise<unknown> {
    return { plugin, route }
  }

  metrics(): HostCounters[] {
    const counters = new CounterTable()
    counters.claim('flow.hits', 'Packets that found a flow').value = 7
    counters.claim('drop.router.no-route').value = 3
    return [{ host: 'compute1', source: 'worker', snapshot: counters.snapshot() }]
  }
}

export interface System {
  readonly api: Api
  readonly url: string
  readonly store: Store
  readonly models: readonly Model[] // those that are shown
  readonly agents: MemoryAgents
  readonly log: string[]
  close(): Promise<void>
}

export interface SystemOptions {
  readonly newPorts?: ApiOptions['newPorts']
  readonly token?: string
  readonly host?: string
  readonly port?: number
  readonly also?: readonly Listen[]
  readonly store?: Store // a session that is open already; goes with the house
}

/** The models of the core and of every plugin there is. */
export async function allModels(): Promise<Model[]> {
  return modelsOf(await loadResources())
}

export async function openSystem(options: SystemOptions = {}): Promise<System> {
  const { token, host, port, newPorts } = options
  const clock = new SystemClock()
  const models = await allModels()
  const store = options.store ?? (await openSqliteStore({ models, clock }))
  const agents = new MemoryAgents()
  const lines: string[] = []
  const counters = new CounterTable()
  const log = openLog({ level: 'warn' }, { write: line => lines.push(line) })
  const health = new Health({ store, clock, counters, log, notes: () => [] })
  const api = await openApi({
    store,
    health,
    models,
    commands: commandsOf(await loadResources()),
    stateKinds: ['connection', 'snat', 'dnat', 'sticky'],
    agents,
    counters,
    clock,
    random: new SystemRandom(),
    log,
    listen: [{ host: host ?? '127.0.0.1', port: port ?? 0 }, ...(options.also ?? [])],
    token,
    newPorts
  })
  const close = async () => {
    await api.close()
    await store.close()
  }
  const shown = models.filter(model => model.hidden !== true)
  return { api, url: api.url, store, models: shown, agents, log: lines, close }
}

/** What the tests look for in a body, whatever it is. */
export interface Body {
  readonly id: string
  readonly error: {
    code: string
    message: string
    faults: { field: string; value: unknown; expected: string }[]
  }
  readonly [field: string]: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

/** A request with a JSON body; a string is sent as it is. */
export async function call(
  url: string,
  method = 'GET',
  body?: unknown,
  headers: Readonly<Record<string, string>> = {}
): Promise<Answer> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const init = { method, headers: { ...type, ...headers } }
  const response = await fetch(url, body === undefined ? init : { ...init, body: text })
  const answer = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && answer !== '' ? JSON.parse(answer) : answer
  }
}
