// Puts one host's packet side together: plugins, the view of the topology, places, the worker and
// the upkeep of its flows.  The packet thread (packet-thread.ts) builds one around a kernel
// datapath, the tests' world many around memory.

import { Clock } from '../core/clock.ts'
import { Container } from '../core/container.ts'
import { Counters } from '../core/counters.ts'
import type { Lifetime } from '../core/lifetime.ts'
import { Log } from '../core/log.ts'
import { Random } from '../core/random.ts'
import type { Datapath } from '../datapath/datapath.ts'
import type { Tag } from '../flow/tag.ts'
import type { Plugin, Registry } from '../plugin.ts'
import type { Port } from '../simulation/device.ts'
import { Walks } from '../simulation/walks.ts'
import type { Exchange, ExchangeListener } from '../state/exchange.ts'
import { LIFETIMES_DEFAULT, type Lifetimes } from '../state/lifetimes.ts'
import { MemoryStateTable } from '../state/memory-table.ts'
import { hostWord } from '../state/record.ts'
import type { StateTable } from '../state/table.ts'
import type { DeviceFactory } from '../topology/factory.ts'
import type { PortModel } from '../topology/models.ts'
import { TopologyView, type ViewLink, type ViewListener } from '../topology/view.ts'
import { FlowState, type StateSaver, waitForPull } from './flow-state.ts'
import { Hosts } from './hosts.ts'
import { Interested, WAIT_FOR_GROUPS } from './interested.ts'
import { type InterfaceWatcher, Places } from './places.ts'
import { PortStates } from './port-states.ts'
import { Rehearsal } from './rehearsal.ts'
import { senderTag, Tunnels, tunnelTag, WAIT_FOR_SENDERS, waitForTunnel } from './tunnels.ts'
import { Upkeep, type UpkeepSettings } from './upkeep.ts'
import { Worker } from './worker.ts'

type Settings = Record<string, unknown>

// Where flow state is kept and how it is shared; without, in memory and not at all.
export interface StateParts {
  readonly table: StateTable
  readonly lifetimes: Lifetimes
  readonly openExchange: ((listener: ExchangeListener) => Exchange) | null
  readonly saver: StateSaver | null
  readonly load: ((port: number) => void) | null
  readonly recover: boolean // an agent of this host may have been here before
}

export interface HouseParts {
  readonly host: string // id
  readonly plugins: readonly Plugin[]
  readonly datapath: Datapath
  readonly watcher: InterfaceWatcher
  readonly link: ViewLink
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly log: Log
  readonly settings: Readonly<Record<string, Settings>> // by plugin, complete
  readonly upkeep?: Partial<UpkeepSettings>
  readonly state?: StateParts
  // Whether a port's first walk is rehearsed when it is bound.
  readonly rehearse?: boolean
  readonly burstBytes?: number
}

export class House {
  readonly worker: Worker
  readonly view: TopologyView
  readonly places: Places
  readonly upkeep: Upkeep
  readonly flowState: FlowState
  readonly hosts: Hosts
  readonly exchange: Exchange | null
  readonly portStates: PortStates
  readonly #interested: Interested
  readonly #running: Lifetime[] = []
  readonly #datapath: Datapath
  readonly #rehearsal: Rehearsal | null
  #refreshing = false

  constructor(parts: HouseParts) {
    const { host, datapath, counters, clock, watcher } = parts
    this.#datapath = datapath
    const factories = this.#assemble(parts)
    const listener: ViewListener = {
      stale: tags => this.worker.invalidate(tags),
      wake: waitingFor => this.#wake(waitingFor),
      changed: () => {
        this.#interested.refresh()
        this.#wake(WAIT_FOR_GROUPS)
        this.#placesChanged(clock)
      }
    }
    this.view = new TopologyView(factories, parts.link, listener, clock)
    this.#interested = new Interested(host, this.view)
    const state = parts.state ?? ownState(clock)
    this.exchange = state.openExchange?.(this.#exchangeListener()) ?? null
    const tunnels = new Tunnels(host, this.view, {
      changed: other => {
        this.worker.invalidate([tunnelTag(other)])
        this.#wake(waitForTunnel(other))
      },
      sendersChanged: addresses => {
        this.worker.invalidate(addresses.map(senderTag))
        this.hosts.set(tunnels.others())
        this.#wake(WAIT_FOR_SENDERS)
      }
    })
    const invalidate = (tags: readonly Tag[]): void => this.worker.invalidate(tags)
    const { view } = this
    const wake = (waitingFor: string): void => this.#wake(waitingFor)
    const bound = (port: Port): void => this.#rehearsal?.bound(port)
    const { exchange } = this
    const { table } = state
    const interested = this.#interested
    this.hosts = new Hosts({
      exchange,
      table,
      interested,
      clock,
      counters,
      answers: (other, answers) => view.hostAnswers(other, answers),
      given: (other, ports) => this.portStates.given(other, ports)
    })
    this.portStates = new PortStates({
      hosts: this.hosts,
      clock,
      counters,
      load: state.load,
      recover: state.recover,
      changed: () => this.#placesChanged(clock)
    })
    this.flowState = new FlowState({
      word: hostWord(host),
      table,
      exchange,
      saver: state.saver,
      lifetimes: state.lifetimes,
      interested,
      clock,
      counters,
      invalidate,
      settled: () => this.portStates.settled
    })
    const { flowState } = this
    const common = { host, view, datapath, watcher, tunnels, counters }
    const ready = (model: PortModel): boolean =>
      this.portStates.ready(model.number ?? 0, previousHostOf(model, host))
    const gone = (port: Port): void => this.#portGone(port)
    this.places = new Places({ ...common, invalidate, wake, bound, ready, gone })
    const { places } = this
    this.#rehearsal = parts.rehearse === true ? new Rehearsal(view, places, clock) : null
    const { burstBytes } = parts
    const walks = { datapath, view, places, clock, counters, flowState }
    this.worker = new Worker({ ...walks, burstBytes })
    const { worker } = this
    this.upkeep = new Upkeep({ worker, datapath, clock, counters, flowState }, parts.upkeep)
    watcher.onChange(() => this.#placesChanged(clock))
  }

  async start(): Promise<void> {
    for (const running of this.#running) await running.start?.()
    this.places.refresh()
    this.worker.start()
    this.upkeep.start()
  }

  // Ports whose first walk is still being prepared.
  get rehearsing(): number {
    return this.#rehearsal?.size ?? 0
  }

  // keep: the datapath goes on forwarding for the next agent.
  async stop(keep: boolean): Promise<void> {
    this.upkeep.stop()
    this.places.close(keep)
    for (const running of [...this.#running].reverse()) await running.stop?.()
    this.view.close()
    this.exchange?.close()
    this.flowState.table.close()
    this.#datapath.close(keep)
  }

  // A port has moved to another host: it is to have the state of its flows without asking for it.
  #portGone(port: Port): void {
    this.portStates.gone(port.number)
    if (port.host !== null) this.hosts.give(port.host, [port.number])
  }

  // Made before what it calls: nothing of it is called before the house stands.
  #exchangeListener(): ExchangeListener {
    return {
      released: ticket => this.worker.released(ticket),
      imported: hashes => this.worker.invalidate(hashes),
      pulled: ticket => this.#wake(waitForPull(ticket)),
      liveness: of => this.hosts.liveness(of),
      joined: word => this.hosts.joined(word),
      asked: (word, ports) => this.hosts.asked(word, ports),
      told: (word, bytes) => this.hosts.told(word, bytes)
    }
  }

  #wake(waitingFor: string): void {
    this.worker.wake(waitingFor)
    this.#rehearsal?.again()
  }

  // Many changes arrive together: one look for all of them.
  #placesChanged(clock: Clock): void {
    if (this.#refreshing) return
    this.#refreshing = true
    clock.soon(() => {
      this.#refreshing = false
      this.places.refresh()
    })
  }

  #assemble(parts: HouseParts): Map<string, DeviceFactory> {
    const factories = new Map<string, DeviceFactory>()
    const container = new Container()
    container.provide(Clock, parts.clock)
    container.provide(Random, parts.random)
    container.provide(Counters, parts.counters)
    container.provide(Log, parts.log)
    container.provide(Walks, {
      emit: (frame, port) => this.worker.emit(frame, port),
      wake: waitingFor => this.worker.wake(waitingFor),
      invalidate: tags => this.worker.invalidate(tags)
    })
    container.assemble(parts.plugins, (plugin, given) => {
      const registry: Registry = {
        device: (kind, factory) => {
          factories.set(kind, factory)
        },
        provide: (token, service) => container.provide(token, service, plugin.name)
      }
      const running = plugin.setup(given, registry, parts.settings[plugin.name] ?? {})
      if (running !== undefined) this.#running.push(running)
    })
    return factories
  }
}

const STATE_CAPACITY = 65_536

const ownState = (clock: Clock): StateParts => ({
  table: new MemoryStateTable({
    capacity: STATE_CAPACITY,
    lifetimes: LIFETIMES_DEFAULT,
    now: () => clock.now()
  }),
  lifetimes: LIFETIMES_DEFAULT,
  openExchange: null,
  saver: null,
  load: null,
  recover: false
})

// The host a port was bound on before it came to this one.
function previousHostOf(model: PortModel, host: string): string | undefined {
  const previous = (model as { previousHost?: string }).previousHost
  return previous === host ? undefined : previous
}
