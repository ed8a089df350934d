// The appliance: a store, the API, and one agent for each host that lives in this process (one as
// a rule; the demo runs three).  Whatever starts here stops here.
// test/api/boundaries.test.ts holds it.

import { Agent, type AgentOptions } from '../agent/agent.ts'
import { loadControls, placesOf } from '../agent/plugins.ts'
import { Cluster, type ClusterPlace, type EffectOf } from '../api/cluster/cluster.ts'
import { Health } from '../api/health.ts'
import type { Listen, Listener, TcpAddress } from '../api/http/listener.ts'
import { openMetrics } from '../api/metrics.ts'
import { type Api, type ApiOptions, openApi } from '../api/server.ts'
import { SystemClock } from '../core/clock.ts'
import { CounterTable } from '../core/counters.ts'
import { fail, reasonOf } from '../core/errors.ts'
import { Lifecycle } from '../core/lifecycle.ts'
import type { Log } from '../core/log.ts'
import { SystemRandom } from '../core/random.ts'
import { type FlowStateStoreSettings, openFlowStateStore } from '../state/storage/open.ts'
import { assemblyOf, commandsOf, modelsOf } from '../topology/assembly/assemble.ts'
import { openStore, type SqliteStore, type StorePlace } from '../topology/place/store-place.ts'
import { identityOf } from './host/identity.ts'
import { LocalAgents } from './local-agents.ts'

/** What an appliance is made of. */
export interface ApplianceOptions {
  /** File of an embedded store; ':memory:' by default. */
  readonly storePath?: string
  /** Where the store is, when it is elsewhere. */
  readonly store?: StorePlace
  /** The plugins' data; the agents load the rest. */
  readonly plugins: Parameters<typeof placesOf>[0]
  /** All there are, whose kinds of flow state are known here too; `plugins` when left out. */
  readonly installed?: Parameters<typeof placesOf>[0]
  readonly log: Log
  /** What a port has that is made without saying so. */
  readonly newPorts?: ApiOptions['newPorts']
}

/** What an agent of this process is told. */
export interface HostOptions {
  readonly id: string
  readonly name: string
  /** What it is called by its configuration, for people. */
  readonly role?: string
  /** Which datapath, and its settings. */
  readonly datapath: AgentOptions['datapath']
  /** Decorators around it; default: none. */
  readonly debug?: AgentOptions['debug']
  /** The plugins' settings, by plugin. */
  readonly settings: AgentOptions['plugins']
  /** How often flows are looked at. */
  readonly maintenance?: AgentOptions['maintenance']
  /** Names of interfaces that may be bound beside taps and veths; default: none. */
  readonly bindings?: readonly string[]
  /** Settings of flow state; without, the host shares none. */
  readonly state?: AgentOptions['state']
  /** Where flow state is kept; without, it ends with the agent. */
  readonly stateStore?: FlowStateStoreSettings
  /** Of a memory datapath: a frame leaves by this interface. */
  readonly onFrame?: (name: string, frame: Uint8Array) => void
  /** Of a memory datapath: a frame leaves by a tunnel. */
  readonly onTunnelled?: (remote: number, key: number, src: number, frame: Uint8Array) => void
  /** The agent has ended of itself. */
  readonly onDeath?: (reason: string) => void
}

const NOT_URGENT =
  'heartbeats have no real-time priority (CAP_SYS_NICE): a busy machine may be taken for dead'

/** A store, the API, and agents of this process. */
export class Appliance {
  readonly store: SqliteStore
  /** The machine's time. */
  readonly clock = new SystemClock()
  /** Counters of the main thread. */
  readonly counters = new CounterTable()
  readonly health: Health
  readonly #options: ApplianceOptions
  readonly #assembly: AgentOptions['assembly']
  readonly #places: AgentOptions['places']
  readonly #controls: NonNullable<AgentOptions['controls']>
  readonly #agents = new Map<string, Agent>()
  /** The agents of this process. */
  readonly local = new LocalAgents(this.#agents)
  readonly #beginning = new Set<Promise<unknown>>() // agents, the API
  readonly #unwatch: () => void
  readonly #noted: string[] = []
  #isClosing = false
  #api: Api | null = null
  #metrics: Listener | null = null
  #cluster: Cluster | null = null

  /** Opens the store; nothing else runs yet. */
  static async open(options: ApplianceOptions): Promise<Appliance> {
    const models = modelsOf(options.plugins)
    const clock = new SystemClock()
    const place = options.store ?? { kind: 'sqlite', path: options.storePath ?? ':memory:' }
    const store = await openStore(place, models, clock)
    const places = placesOf(options.plugins)
    return new Appliance(options, store, models, await loadControls(places))
  }

  readonly #models: Parameters<typeof openApi>[0]['models']

  private constructor(
    options: ApplianceOptions,
    store: SqliteStore,
    models: Parameters<typeof openApi>[0]['models'],
    controls: NonNullable<AgentOptions['controls']>
  ) {
    this.#places = placesOf(options.plugins)
    this.#controls = controls
    this.#options = options
    this.#assembly = assemblyOf(options.plugins, options.installed)
    this.store = store
    this.#models = models
    const { clock, counters } = this
    const log = options.log.room('store')
    this.health = new Health({ store, clock, counters, log, notes: () => this.#notes() })
    this.#unwatch = this.health.watch()
  }

  /** The API's address, of several the first. */
  listen(
    listen: Listen | readonly Listen[],
    token?: string,
    more?: ApiOptions['more']
  ): Promise<string> {
    return this.#begin(() => this.#listen(listen, token, more))
  }

  /** The address of the counters alone.  Without it packets go on: it is an error in the log. */
  serveMetrics(listen: TcpAddress): Promise<string | undefined> {
    return this.#begin(async () => {
      const { health, counters, local: agents } = this
      const log = this.#options.log.room('api')
      try {
        this.#metrics = await openMetrics({ health, agents, counters, log, listen })
      } catch (error) {
        log.error({ err: error }, reasonOf(error))
      }
      return this.#metrics?.url
    })
  }

  /**
   * The API that is opened later asks for all hosts that share the store. A process that has none
   * follows what they say, and knows it while the store is away.
   */
  join(follows = false): Promise<void> {
    return this.#begin(async () => {
      const { store, local, clock, counters } = this
      const log = this.#options.log.room('cluster')
      const effectOf: EffectOf = (plugin, operation) => {
        const { routes = [] } = this.#controls.find(({ name }) => name === plugin) ?? {}
        const method = routes.find(({ id }) => id === operation)?.method
        return method === undefined ? undefined : method === 'GET' ? 'reads' : 'changes'
      }
      const random = new SystemRandom()
      this.#cluster = new Cluster({ store, local, clock, counters, log, random, effectOf })
      await this.#cluster.ready()
      if (follows) await this.#cluster.follow()
    })
  }

  /** Lets others ask for a host of this process, once it has joined. */
  serveHosts(place: ClusterPlace): Promise<void> {
    return this.#begin(async () => this.#cluster?.serve(place, () => this.#register()))
  }

  #register(): void {
    for (const agent of this.#agents.values()) void agent.register()
  }

  /** Starts an agent; resolves when it is up, rejects with the reason when it cannot be. */
  startAgent(options: HostOptions): Promise<Agent> {
    return this.#begin(() => this.#startAgent(options))
  }

  // Whatever comes up while everything is taken down is waited for, and taken down too.
  async #begin<T>(what: () => Promise<T>): Promise<T> {
    if (this.#isClosing)
      throw fail('UNAVAILABLE', { what: 'the appliance', reason: 'it is being taken down' })
    const begun = what()
    this.#beginning.add(begun)
    try {
      return await begun
    } finally {
      this.#beginning.delete(begun)
    }
  }

  async #listen(
    at: Listen | readonly Listen[],
    token?: string,
    more?: ApiOptions['more']
  ): Promise<string> {
    const { store, clock, counters } = this
    const log = this.#options.log.room('api')
    const random = new SystemRandom()
    const models = this.#models
    const listen = [at].flat()
    const { health } = this
    const { newPorts } = this.#options
    const commands = commandsOf(this.#options.plugins)
    const stateKinds = this.#assembly.stateKinds.map(({ name }) => name)
    const agents = this.#cluster?.agents ?? this.local
    const common = { store, stateKinds, models, commands, health, agents, counters }
    const routes = this.#controls
    const given = { ...common, routes, clock, random, log, newPorts }
    this.#api = await openApi({ ...given, listen, token, more })
    this.#register()
    return this.#api.url
  }

  async #startAgent(options: HostOptions): Promise<Agent> {
    const { id, name } = options
    if (this.#agents.get(id)?.alive === true)
      throw fail('EXISTS', { kind: 'agent of host', id: name })
    const { log } = this.#options
    const kept = await this.#openStateStore(options)
    const agent = await Agent.start({
      host: { id, name },
      ...(kept === undefined ? {} : { stateStore: kept }),
      ...(options.state === undefined ? {} : { state: options.state }),
      store: await this.store.fork(name),
      log: log.room('agent'),
      datapath: options.datapath,
      plugins: options.settings,
      assembly: this.#assembly,
      places: this.#places,
      controls: this.#controls,
      identity: identityOf(options.role ?? 'host', {
        api: () => this.#address(),
        cluster: () => this.#cluster?.address
      }),
      ...(options.debug === undefined ? {} : { debug: options.debug }),
      ...(options.bindings === undefined ? {} : { bindings: options.bindings }),
      ...(options.maintenance === undefined ? {} : { maintenance: options.maintenance }),
      ...(options.onFrame === undefined ? {} : { onFrame: options.onFrame }),
      ...(options.onTunnelled === undefined ? {} : { onTunnelled: options.onTunnelled }),
      onDeath: reason => {
        log.error({ host: name, reason }, 'an agent died')
        options.onDeath?.(reason)
      }
    })
    this.#agents.set(id, agent)
    return agent
  }

  // One that is reached from elsewhere, if any.
  #address(): string | undefined {
    const urls = (this.#api?.listeners ?? []).map(({ url }) => url)
    return urls.find(url => url.startsWith('http')) ?? urls[0]
  }

  #openStateStore({ id, stateStore }: HostOptions) {
    if (stateStore === undefined || stateStore.kind === 'none') return undefined
    return openFlowStateStore(stateStore, id, this.#options.log.room('state'), this.clock)
  }

  /** Something that the log and `/health` are to say. */
  note(text: string): void {
    this.#noted.push(text)
  }

  /** The agent of a host, by its id; undefined when none runs here. */
  agent(host: string): Agent | undefined {
    return this.#agents.get(host)
  }

  /** Stops all of it; `keep`: the kernel forwards on. */
  async close(keep = false): Promise<void> {
    this.#isClosing = true
    this.#unwatch()
    await Promise.allSettled(this.#beginning)
    const parts = new Lifecycle(this.clock)
    parts.add('the store', { stop: () => this.store.close() })
    for (const agent of this.#agents.values())
      parts.add(`the agent of ${agent.host.name}`, { stop: () => agent.stop(keep) })
    parts.add('the metrics', { stop: () => this.#metrics?.close() })
    parts.add('what other hosts ask', { stop: () => this.#cluster?.close() })
    parts.add('the API', { stop: () => this.#api?.close() })
    await parts.start() // they are up: this is their order, and they stop against it
    await parts.stop()
  }

  // What an operator would not notice before it hurts.
  #notes(): string[] {
    const notUrgent = [...this.#agents.values()].flatMap(({ host, counters: { gauges } }) =>
      gauges['exchange.realtime'] === 0 ? [`host ${host.name}: ${NOT_URGENT}`] : []
    )
    const ofPlugins = [...this.#agents.values()].flatMap(({ host, control }) =>
      control.notes.map(note => `host ${host.name}: ${note}`)
    )
    const { state, fault } = this.store.report()
    const ofStore = state === 'connected' && fault !== undefined ? [`the store: ${fault}`] : []
    const ofCluster = this.#cluster?.note
    const known = [...this.#noted, ...ofStore, ...ofPlugins, ...notUrgent]
    return ofCluster === undefined ? known : [...known, ofCluster]
  }
}
