// An agent, seen from the main thread: a packet thread, and the feed that serves it from the store.
// One process may run several, one a host; each has its own session with the store.
// test/nat-agents.test.ts holds it.

import { Worker as Thread } from 'node:worker_threads'
import { SystemClock, within } from '../core/clock.ts'
import type { CountersSnapshot } from '../core/counters.ts'
import { fail } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { SystemRandom } from '../core/random.ts'
import type { PeerState } from '../host/replication/peers.ts'
import type { FlowText, Traced } from '../host/show/explain.ts'
import type { StateFilter, StateText } from '../host/show/state-list.ts'
import type { FlowStateStore } from '../state/storage/store.ts'
import { TopologyFeed } from '../topology/feed.ts'
import { watchStateKey } from '../topology/state-key.ts'
import type { Store, Watch } from '../topology/store.ts'
import { ControlSide, type ControlSideParts } from './control/control-side.ts'
import { LeaseServer } from './lease-server.ts'
import type {
  AgentStatus,
  Call,
  FromThread,
  JudgedInterface,
  StateSettings,
  ThreadSettings,
  ToThread
} from './messages.ts'
import { type HostIdentity, Registrar } from './registrar.ts'
import { threadSettings } from './thread-settings.ts'

/** What an agent is started with. */
export interface AgentOptions {
  /** The host it is the agent of. */
  readonly host: { readonly id: string; readonly name: string }
  /** This agent's own session. */
  readonly store: Store
  readonly log: Log
  /** Which datapath, and its settings. */
  readonly datapath: ThreadSettings['datapath']
  /** Decorators around it; default: none. */
  readonly debug?: ThreadSettings['debug']
  /** The plugins' settings, by plugin: those named run. */
  readonly plugins: ThreadSettings['plugins']
  /** Where the plugins are. */
  readonly places: ThreadSettings['places']
  /** What plugins declare that packet threads have to know. */
  readonly assembly: ThreadSettings['assembly']
  /** Sides of plugins on the main thread; those run whose plugins have settings. */
  readonly controls?: ControlSideParts['controls']
  /** How often flows are looked at. */
  readonly maintenance?: ThreadSettings['maintenance']
  /** Names of interfaces that may be bound beside taps. */
  readonly bindings?: readonly string[]
  /** Settings of flow state; without, the host shares none. */
  readonly state?: Partial<Omit<StateSettings, 'isKept'>>
  /** Where flow state outlives the agent; closed with it. */
  readonly stateStore?: FlowStateStore
  /** What the store is told of the host beside its name; without, nothing is. */
  readonly identity?: HostIdentity
  /** Of the packet thread; default: warn. */
  readonly logLevel?: string
  /** Frames of a memory datapath. */
  readonly onFrame?: (name: string, frame: Uint8Array) => void
  /** Of a memory datapath: a frame leaves by a tunnel. */
  readonly onTunnelled?: (remote: number, key: number, src: number, frame: Uint8Array) => void
  /** The thread ended without being asked to. */
  readonly onDeath?: (reason: string) => void
}

interface Waiting {
  readonly done: (value: unknown) => void
  readonly failed: (error: Error) => void
}

// Packets leave little garbage: a small nursery is collected in under a millisecond, and a thread
// with a large one keeps three times its size.
const YOUNG_MB = 6

// A service is given a few seconds altogether.
const STOP_PART_MS = 700
// Everything is put away by then; but the first time a tree runs, a thread that ends writes down
// the code it compiled: 2.6 s on a busy machine. Earlier it would be in the way of packets.
const STOP_THREAD_MS = 5000

/** Counters of a thread that has not said any. */
export const EMPTY_SNAPSHOT: CountersSnapshot = {
  counters: {},
  gauges: {},
  histograms: {},
  help: {}
}

/** A host's agent on the main thread: it feeds the packet thread and asks it. */
export class Agent {
  /** The host it is the agent of. */
  readonly host: AgentOptions['host']
  readonly #thread: Thread
  readonly #feed: TopologyFeed
  readonly #stateKey: Watch
  readonly #options: AgentOptions
  readonly #clock = new SystemClock()
  /** The plugins' sides on this thread. */
  readonly control: ControlSide
  readonly #leaseServer: LeaseServer
  readonly #registrar: Registrar | undefined
  readonly #calls = new Map<number, Waiting>()
  readonly #outgoing: ToThread[] = []
  readonly #ended: Promise<void>
  #nextCall = 1
  #snapshot = EMPTY_SNAPSHOT
  #started: () => void = () => {}
  #alive = false
  #stopping = false
  #deathReason = 'it ended'

  /** Resolves when the agent takes packets. */
  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options)
    try {
      await agent.#up()
      await agent.control.start()
      void agent.register()
      return agent
    } catch (error) {
      if (agent.#alive) await agent.#thread.terminate()
      await agent.control.stop().catch(() => {})
      agent.#registrar?.close()
      agent.#stateKey.close()
      agent.#feed.close()
      await options.stateStore?.close()
      await options.store.close()
      throw error
    }
  }

  private constructor(options: AgentOptions) {
    this.#options = options
    this.host = options.host
    const { host, store, log, controls = [] } = options
    const asks = { kind: options.datapath.kind, ask: (call: Call) => this.#call(call) }
    const netns = options.datapath.kind === 'ebpf' ? options.datapath.netns : null
    const common = { store, log, clock: this.#clock, random: new SystemRandom(), asks }
    const given = { ...common, host: { ...host, netns } }
    this.control = new ControlSide({ ...given, controls, settings: options.plugins })
    this.#thread = new Thread(new URL('./thread/thread.ts', import.meta.url), {
      workerData: threadSettings(options),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB }
    })
    this.#feed = new TopologyFeed(
      options.store,
      {
        events: (key, events, ready) => this.#send({ is: 'events', key, events, ready }),
        tableEvents: (name, events, ready) => this.#send({ is: 'table', name, events, ready }),
        unwanted: interest => this.#send({ is: 'unwanted', interest }),
        tableWritten: (name, key) => this.#send({ is: 'written', name, key })
      },
      options.log
    )
    this.#leaseServer = new LeaseServer(options.store, options.log, {
      answered: (pool, block) => this.#send({ is: 'leased', pool, block }),
      lost: (pool, block) => this.#send({ is: 'lease-lost', pool, block }),
      lostAll: () => this.#send({ is: 'leases-lost' })
    })
    const { identity } = options
    if (identity !== undefined) this.#registrar = this.#newRegistrar(identity)
    // The secret that hosts sign their state messages with.
    this.#stateKey = watchStateKey(options.store, new SystemRandom(), key =>
      this.#send({ is: 'state-key', key })
    )
    this.#thread.on('message', (messages: readonly FromThread[]) => {
      for (const message of messages) this.#received(message)
    })
    this.#thread.on('error', error => {
      this.#deathReason = error instanceof Error ? error.message : String(error)
    })
    this.#ended = new Promise(done => {
      this.#thread.on('exit', () => {
        this.#died()
        done()
      })
    })
  }

  /** Names of the kinds of flow state. */
  get stateKinds(): string[] {
    return this.#options.assembly.stateKinds.map(({ name }) => name)
  }

  /** Whether its packet thread runs. */
  get alive(): boolean {
    return this.#alive
  }

  /** The thread's counters, as it said them last. */
  get counters(): CountersSnapshot {
    return this.#snapshot
  }

  /** Counters of the store of flow state. */
  get kept(): Record<string, number> {
    return this.#options.stateStore?.counters() ?? {}
  }

  /** The counters as they are now, not as they were told last. */
  async freshCounters(): Promise<CountersSnapshot> {
    this.#snapshot = await this.#call<CountersSnapshot>({ name: 'counters' })
    return this.#snapshot
  }

  /** What the store is told of the host may have changed; resolves when it is told. */
  async register(): Promise<void> {
    await this.#registrar?.look()
  }

  /** The first flows, `limit` at most. */
  flows(limit: number): Promise<FlowText[]> {
    return this.#call({ name: 'flows', limit })
  }

  /** Walks a packet from a port; nothing is sent or changed. */
  trace(port: string, frame: Uint8Array): Promise<Traced> {
    return this.#call({ name: 'trace', port, frame })
  }

  /** The first records of flow state that pass the filter. */
  state(limit: number, filter: StateFilter = {}): Promise<StateText[]> {
    return this.#call({ name: 'state', limit, filter })
  }

  /** The other hosts, as they look from this one. */
  peers(): Promise<PeerState[]> {
    return this.#call({ name: 'peers' })
  }

  /** The host's interfaces, and which of them may be bound. */
  interfaces(): Promise<JudgedInterface[]> {
    return this.#call({ name: 'interfaces' })
  }

  /** How far the thread is. */
  status(): Promise<AgentStatus> {
    return this.#call({ name: 'status' })
  }

  /** For a memory datapath. */
  input(name: string, frame: Uint8Array): void {
    this.#send({ is: 'frame', interface: name, frame })
  }

  /** Of a memory datapath: a tunnelled frame comes in. */
  fromUnderlay(key: number, src: number, frame: Uint8Array): void {
    this.#send({ is: 'tunnelled', key, src, frame })
  }

  /**
   * Keep: the kernel goes on forwarding for the next agent. Whatever is still to be done then,
   * packets, changes, a disk that is slow: each part has so long, and is left behind.
   */
  async stop(keep = false): Promise<void> {
    if (this.#stopping) return this.#ended
    this.#stopping = true
    const { store, stateStore } = this.#options
    await this.#inTime('what plugins do beside packets', this.control.stop())
    const asked = this.#alive ? this.#call({ name: 'stop', keep }).catch(() => {}) : undefined
    await this.#inTime('its thread', asked)
    await this.#inTime('its registration', this.#registrar?.stop())
    this.#stateKey.close()
    this.#feed.close()
    const end = ['the end of its thread', this.#ended, STOP_THREAD_MS] as const
    if (!(await this.#inTime(...end))) await this.#thread.terminate()
    await this.#inTime('saving flow state', stateStore?.close())
    await this.#inTime('its session', keep ? store.leave() : store.close())
  }

  async #inTime(
    what: string,
    work: Promise<unknown> | undefined,
    limitMs = STOP_PART_MS
  ): Promise<boolean> {
    const isDone = await within(this.#clock, limitMs, work)
    if (!isDone) this.#options.log.warn({ host: this.host.name, what }, 'left behind by the stop')
    return isDone
  }

  /** As a crash would: nothing is put away. */
  async kill(): Promise<void> {
    this.#stopping = true
    this.#registrar?.close()
    await this.#thread.terminate()
    await this.control.stop().catch(() => {})
    this.#stateKey.close()
    this.#feed.close()
    await this.#options.stateStore?.close()
    await this.#options.store.leave() // its entries stand as long as those of a session that died
  }

  #newRegistrar(identity: HostIdentity): Registrar {
    const { store, log } = this.#options
    return new Registrar({
      ...{ store, log, identity, clock: this.#clock, host: this.host.id },
      counters: () => this.#snapshot,
      interfaces: () => this.interfaces(),
      notes: () => this.control.notes
    })
  }

  #up(): Promise<void> {
    return new Promise((done, failed) => {
      this.#started = () => {
        this.#alive = true
        done()
      }
      void this.#ended.then(() => {
        const { name } = this.host
        failed(fail('AGENT_START', { host: name, reason: this.#deathReason }))
      })
    })
  }

  #call<T>(call: Call): Promise<T> {
    const id = this.#nextCall++
    return new Promise<unknown>((done, failed) => {
      if (!this.#alive) return failed(fail('AGENT_GONE', { host: this.host.name }))
      this.#calls.set(id, { done, failed })
      this.#send({ is: 'call', id, call })
    }) as Promise<T>
  }

  #send(message: ToThread): void {
    this.#outgoing.push(message)
    if (this.#outgoing.length > 1) return
    queueMicrotask(() => this.#thread.postMessage(this.#outgoing.splice(0)))
  }

  #received(message: FromThread): void {
    switch (message.is) {
      case 'want':
        return this.#feed.want(message.interest)
      case 'unwant':
        return this.#feed.unwant(message.interest)
      case 'put':
        return this.#feed.put(message.table, message.key, message.value)
      case 'remove':
        return this.#feed.remove(message.table, message.key)
      case 'save':
        return this.#options.stateStore?.save(message.batches)
      case 'forget':
        return this.#options.stateStore?.forget?.(message.port)
      case 'load':
        return void this.#load(message.port)
      case 'lease':
        return void this.#leaseServer.ask(message.asked)
      case 'release':
        return void this.#leaseServer.release(message.pool, message.block)
      case 'started':
        return this.#started()
      case 'counters':
        this.#snapshot = message.snapshot
        return
      case 'frame':
        return this.#options.onFrame?.(message.interface, message.frame)
      case 'tunnelled':
        return this.#options.onTunnelled?.(message.remote, message.key, message.src, message.frame)
      case 'answer':
        this.#calls.get(message.id)?.done(message.value)
        this.#calls.delete(message.id)
        return
      case 'failure':
        this.#calls.get(message.id)?.failed(new Error(message.reason))
        this.#calls.delete(message.id)
    }
  }

  // A store that is away is as good as one that has nothing: the port is not to wait for it.
  async #load(port: number): Promise<void> {
    const saved = (await this.#options.stateStore?.load(port).catch(() => [])) ?? []
    this.#send({ is: 'loaded', port, saved })
  }

  #died(): void {
    const wasAlive = this.#alive
    this.#alive = false
    for (const { failed } of this.#calls.values())
      failed(fail('AGENT_GONE', { host: this.host.name }))
    this.#calls.clear()
    if (!wasAlive || this.#stopping) return
    this.#registrar?.withdraw()
    this.#options.onDeath?.(this.#deathReason)
  }
}
