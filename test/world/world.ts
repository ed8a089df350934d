// A world of many hosts in one process: one virtual clock, the real worker, container, view and
// plugins on the memory datapath, and a seeded underlay that may delay and lose.  The same seed
// gives the same history, to the byte.

import { createHash } from 'node:crypto'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { type Clock, VirtualClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { silentLog } from '../../src/core/log.ts'
import { SeededRandom } from '../../src/core/random.ts'
import type { Datapath } from '../../src/datapath/datapath.ts'
import { Host } from '../../src/host/host.ts'
import type { MaintenanceSettings } from '../../src/host/packets/maintenance.ts'
import type { StateParts } from '../../src/host/replication/state-parts.ts'
import type { Plugin } from '../../src/plugin.ts'
import { EXCHANGE_DEFAULT, type Peer } from '../../src/state/exchange/exchange.ts'
import { MemoryExchange } from '../../src/state/exchange/memory-exchange.ts'
import { kindsStamp, withKinds } from '../../src/state/kinds.ts'
import { MemoryStateTable } from '../../src/state/memory-table.ts'
import { hostHash } from '../../src/state/record.ts'
import { TIMEOUTS_DEFAULT, type Timeouts } from '../../src/state/timeouts.ts'
import { assemblyOf } from '../../src/topology/assembly/assemble.ts'
import type { Assembly } from '../../src/topology/assembly/assembly.ts'
import type { PortModel } from '../../src/topology/models.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { UNDERLAY, UNDERLAY_NAME, WorldInterfaces } from './interfaces.ts'
import { WorldJournal } from './journal.ts'
import { sealer } from './sealer.ts'
import { type WorldObject, WorldStore } from './store.ts'
import { SurvivingDatapath } from './surviving.ts'
import { Ways } from './ways.ts'

// Settings of plugins as they are when nobody sets any.
const declared = await loadResources()
export const defaults = defaultSettings(declared)
export const assembly = assemblyOf(declared)

export interface WorldOptions {
  readonly seed?: number
  readonly plugins: readonly Plugin[]
  // Topology; hosts are made of the ports' `host` fields.  Interfaces are named by the ports.
  readonly objects: readonly WorldObject[]
  readonly cache?: boolean // false: every packet is walked
  readonly lossProbability?: number
  readonly delayMsMax?: number
  readonly tunnel?: 'vxlan' | 'gre'
  readonly maintenance?: Partial<MaintenanceSettings>
  readonly creditsPerPort?: number
  readonly flowsMax?: number
  readonly prefetch?: boolean
  // Hosts share flow state over the underlay, with its loss and delay.
  readonly share?: boolean
  // What records there are of a port outlives the agent.
  readonly journal?: boolean
  /** Until what is kept of a port has been read. */
  readonly journalMs?: number
  readonly timeouts?: Partial<Timeouts>
  readonly statesMax?: number
  /** What each host's datapath is decorated with. */
  readonly around?: (datapath: Datapath) => Datapath
  readonly statesPerPort?: number
  /** What all plugins declare; that of `plugins/` when left out. */
  readonly assembly?: Assembly
  /** Where the topology is; in memory when left out. */
  readonly storeOf?: (clock: Clock) => WorldStore
  // By plugin.
  readonly settings?: Readonly<Record<string, Record<string, unknown>>>
}

export interface Delivery {
  readonly port: string // where the frame came out
  readonly frame: Uint8Array
}

const ZONE = 'zone'
const BURST_BYTES = 80 * 1024 // one frame of any size
const FLOWS_MAX = 1024
const STATE_KEY = new Uint8Array(32).fill(7)

export class World {
  readonly clock = new VirtualClock()
  readonly store: WorldStore
  readonly hosts = new Map<string, WorldHost>()
  readonly delivered: Delivery[] = []
  readonly ways = new Ways()
  // Whether a message of the exchange gets through.
  carries: (message: Uint8Array) => boolean = () => true
  readonly #history = createHash('sha256')
  readonly #random: SeededRandom
  readonly #options: WorldOptions
  readonly #byAddress = new Map<number, WorldHost>()

  constructor(options: WorldOptions) {
    this.#options = options
    this.store = options.storeOf?.(this.clock) ?? new WorldStore(this.clock)
    this.#random = new SeededRandom(options.seed ?? 1)
    this.store.put('tunnel-zone', { id: ZONE, name: ZONE, type: options.tunnel ?? 'vxlan' })
    for (const { kind, value } of options.objects) this.store.put(kind, value)
    const names = new Set(options.objects.flatMap(({ kind, value }) => hostOf(kind, value)))
    for (const name of [...names].sort()) this.addHost(name)
    this.settle()
  }

  addHost(id: string): WorldHost {
    const address = `172.31.0.${this.hosts.size + 1}`
    const host = new WorldHost(this, id, address, this.#options)
    this.hosts.set(id, host)
    this.#byAddress.set(parseIpv4(address), host)
    this.store.put('tunnel-zone-host', { id: `${ZONE}-${id}`, zone: ZONE, host: id, address })
    void host.host.start()
    return host
  }

  // A frame comes in by the interface of a bound port.
  send(port: string, frame: Uint8Array): void {
    const model = this.store.get('port', port) as PortModel | undefined
    const host = model?.host === undefined ? undefined : this.hosts.get(model.host)
    host?.input(model!.interface!, frame)
  }

  // Lets everything happen that is under way; timers further off stay where they are.
  settle(ms = 1): void {
    this.clock.advance(ms + (this.#options.delayMsMax ?? 0) * 8)
  }

  // Sends, settles, and says what came out where because of it.
  exchange(port: string, frame: Uint8Array): Delivery[] {
    this.delivered.length = 0
    this.send(port, frame)
    this.settle()
    return this.delivered.splice(0)
  }

  counter(name: string): number {
    let total = 0
    for (const { counters } of this.hosts.values()) total += counters.value(name)
    return total
  }

  drops(): Record<string, number> {
    const all: Record<string, number> = {}
    for (const { counters } of this.hosts.values())
      for (const [name, value] of Object.entries(counters.snapshot().counters))
        if (name.startsWith('drop.') && value > 0) all[name] = (all[name] ?? 0) + value
    return all
  }

  deliver(port: string, frame: Uint8Array): void {
    this.delivered.push({ port, frame })
    this.#history.update(`${this.clock.now()} ${port} `).update(frame)
  }

  underlay(remote: number, key: number, src: number, frame: Uint8Array): void {
    if (this.#random.chance(this.#options.lossProbability ?? 0)) return
    const delayMs = this.#random.below((this.#options.delayMsMax ?? 0) + 1)
    this.clock.after(delayMs, () => this.#byAddress.get(remote)?.fromUnderlay(key, src, frame))
  }

  // A message of the exchange: as any packet of the underlay, but for sockets.
  message(remote: number, src: number, bytes: Uint8Array): void {
    if (!this.carries(bytes)) return
    if (this.#random.chance(this.#options.lossProbability ?? 0)) return
    const delayMs = this.#random.below((this.#options.delayMsMax ?? 0) + 1)
    this.clock.after(delayMs, () => this.#byAddress.get(remote)?.fromPeer(src, bytes))
  }

  // Whether the kernel of a host answers, though its agent may be gone.
  answers(address: number): boolean {
    return this.#byAddress.get(address)?.isCut === false
  }

  fingerprint(): string {
    return this.#history.copy().digest('hex').slice(0, 16)
  }
}

export class WorldHost {
  readonly id: string
  counters = new CounterTable() // of the agent that is there
  isCut = false // from the underlay, with its kernel and all
  hasTunnels = true // false: packets get lost, messages between agents do not
  exchange: MemoryExchange | null = null
  host!: Host
  datapath!: SurvivingDatapath
  readonly #world: World
  readonly #options: WorldOptions
  readonly #watcher: WorldInterfaces
  readonly #address: number
  readonly #journal: WorldJournal
  #life = 0 // agents there have been; a dead one says nothing any more
  #isDead = false

  constructor(world: World, id: string, address: string, options: WorldOptions) {
    this.id = id
    this.#world = world
    this.#options = options
    this.#address = parseIpv4(address)
    this.#watcher = new WorldInterfaces(world, id, address)
    this.#journal = new WorldJournal(world.clock, options.journalMs)
    this.#begin()
  }

  get session(): string {
    return this.#life === 1 ? `session-${this.id}` : `session-${this.id}-${this.#life}`
  }

  /** The agent ends without a word; its kernel forwards on.  The store has not noticed. */
  kill(): void {
    this.#isDead = true
    const { worker, maintenance, view, replication } = this.host
    worker.stop()
    maintenance.stop()
    view.close()
    replication.stop()
  }

  /** The store notices that the agents before the one that is there, or the last one, are gone. */
  forgetDead(): void {
    const last = this.#isDead ? this.#life : this.#life - 1
    for (let life = 1; life <= last; life++)
      this.#world.store.forget(life === 1 ? `session-${this.id}` : `session-${this.id}-${life}`)
  }

  /** What was kept for the next agent is gone. */
  forgetKept(): void {
    this.#journal.forgetAll()
  }

  /**
   * Another agent. On a kernel that has forgotten its flows whatever comes is walked again; one
   * that keeps them forwards on.
   */
  restart(kernel: 'forgets' | 'keeps' = 'forgets'): void {
    if (!this.#isDead) this.kill()
    const before = this.datapath
    this.#begin(kernel === 'keeps' ? before : undefined)
    before.close()
    void this.host.start()
  }

  #begin(before?: SurvivingDatapath): void {
    const life = ++this.#life
    this.#isDead = false
    this.counters = new CounterTable()
    const world = this.#world
    const options = this.#options
    this.datapath = this.#newDatapath(world, options)
    if (before !== undefined) this.datapath.inherit(before)
    const link = world.store.link(this.session, () => this.host.view)
    const isHere = (): boolean => this.#life === life && !this.#isDead
    this.host = new Host({
      host: this.id,
      plugins: options.plugins,
      datapath: options.around?.(this.datapath) ?? this.datapath,
      watcher: this.#watcher,
      link: {
        ...link,
        put: (...row) => isHere() && link.put(...row),
        remove: (...row) => isHere() && link.remove(...row)
      },
      leases: world.store.leases.link(this.session, world.clock, () => this.host.leases),
      clock: world.clock,
      random: new SeededRandom(options.seed ?? 1),
      counters: this.counters,
      log: silentLog(),
      burstBytes: BURST_BYTES,
      prefetch: options.prefetch ?? false,
      settings: { ...defaults, ...options.settings },
      assembly: options.assembly ?? assembly,
      state: this.#state(world, options, isHere),
      ...(options.maintenance === undefined ? {} : { maintenance: options.maintenance })
    })
    if (options.share === true) world.ways.watch(this.host)
  }

  #newDatapath(world: World, options: WorldOptions): SurvivingDatapath {
    return new SurvivingDatapath(
      {
        output: (ifindex, frame) => world.deliver(this.#watcher.portOf(ifindex), frame),
        tunnel: ({ remote, key }, frame) => {
          if (!this.isCut && this.hasTunnels) world.underlay(remote, key, this.#address, frame)
        }
      },
      {
        now: () => world.clock.now(),
        flowsMax: options.cache === false ? 0 : (options.flowsMax ?? FLOWS_MAX),
        ...(options.creditsPerPort === undefined ? {} : { creditsPerPort: options.creditsPerPort })
      }
    )
  }

  #state(world: World, options: WorldOptions, isHere: () => boolean): StateParts {
    const kinds = (options.assembly ?? assembly).stateKinds
    const timeouts = withKinds({ ...TIMEOUTS_DEFAULT, ...options.timeouts }, kinds)
    const capacity = options.statesMax ?? 65_536
    const { clock } = world
    const table = new MemoryStateTable({ capacity, timeouts, now: () => clock.now() })
    const perPortMax = options.statesPerPort ?? 0
    const common = { table, kinds, timeouts, perPortMax, saver: null, load: null, recover: false }
    if (options.share !== true) return { ...common, openExchange: null }
    const wire = {
      send: (peer: Peer, message: Uint8Array): void => {
        if (!this.isCut && isHere()) world.message(peer.address, this.#address, message)
      },
      probe: (peer: Peer): boolean => !this.isCut && world.answers(peer.address)
    }
    const given = { clock, table, wire, settings: EXCHANGE_DEFAULT, host: hostHash(this.id) }
    const stamp = kindsStamp(kinds)
    const random = new SeededRandom((options.seed ?? 1) ^ hostHash(this.id) ^ (this.#life - 1))
    const kept = options.journal === true
    return {
      ...common,
      saver: kept ? this.#journal.saver(isHere) : null,
      load: kept
        ? port =>
            this.#journal.load(port, table, timeouts, () => (isHere() ? this.host : undefined))
        : null,
      recover: kept && this.#life > 1,
      openExchange: listener => {
        this.exchange = new MemoryExchange({ ...given, kinds: stamp, random, listener, sealer })
        this.exchange.setKey(STATE_KEY)
        return this.exchange
      }
    }
  }

  fromPeer(src: number, bytes: Uint8Array): void {
    if (!this.isCut && !this.#isDead) this.exchange?.receive(src, bytes)
  }

  ifindexOf(name: string): number {
    return this.#watcher.ifindexOf(name)
  }

  input(name: string, frame: Uint8Array): void {
    this.datapath.input(this.#watcher.ifindexOf(name), frame)
  }

  fromUnderlay(key: number, src: number, frame: Uint8Array): void {
    if (!this.isCut && this.hasTunnels) this.datapath.input(UNDERLAY, frame, { key, src })
  }

  setUnderlayMtu(mtu: number): void {
    this.#watcher.setMtu(UNDERLAY_NAME, mtu)
  }

  setMtu(name: string, mtu: number): void {
    this.#watcher.setMtu(name, mtu)
  }

  // What the interface of a port is, beside a veth that leads nowhere.
  become(name: string, what: { readonly kind?: string; readonly leadsOut?: true }): void {
    this.#watcher.become(name, what)
  }

  // The interface of a port goes down or comes up again.
  setUp(name: string, up: boolean): void {
    this.#watcher.setUp(name, up)
  }
}

function hostOf(kind: string, value: WorldObject['value']): string[] {
  return kind === 'port' && typeof value.host === 'string' ? [value.host] : []
}
