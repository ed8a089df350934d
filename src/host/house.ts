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
import type { Port, PortId } from '../simulation/device.ts'
import { HostLiveness } from '../simulation/host-liveness.ts'
import { Leases } from '../simulation/leases.ts'
import { Visitors } from '../simulation/visitors.ts'
import { Devices, Walks } from '../simulation/walks.ts'
import { StateAccess } from '../state/access.ts'
import type { DeviceFactory } from '../topology/factory.ts'
import type { PortModel } from '../topology/models.ts'
import { TopologyView, type ViewLink, type ViewListener } from '../topology/view.ts'
import type { Frame } from '../wire/frames.ts'
import { HeldLeases, type LeaseLink, noLeases } from './leases.ts'
import { Upkeep, type UpkeepSettings } from './packets/upkeep.ts'
import { Worker } from './packets/worker.ts'
import { ANY_BINDING, type BindingRules } from './ports/bindable.ts'
import { Entry } from './ports/entry.ts'
import { type InterfaceWatcher, Places } from './ports/places.ts'
import { Reception } from './ports/reception.ts'
import { senderTag, Tunnels, tunnelTag, WAIT_FOR_SENDERS, waitForTunnel } from './ports/tunnels.ts'
import { UNDERLAYS } from './ports/underlays.ts'
import { Foresight } from './prefetch/foresight.ts'
import { Rehearsal } from './prefetch/rehearsal.ts'
import { Deaths } from './replication/deaths.ts'
import { ownState, Sharing, type StateParts } from './replication/sharing.ts'

type Settings = Record<string, unknown>

export interface HouseParts {
  readonly host: string // id
  readonly plugins: readonly Plugin[]
  readonly datapath: Datapath
  readonly watcher: InterfaceWatcher
  readonly link: ViewLink
  readonly leases?: LeaseLink
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly log: Log
  readonly settings: Readonly<Record<string, Settings>> // by plugin, complete
  readonly upkeep?: Partial<UpkeepSettings>
  readonly state?: StateParts
  readonly bindings?: BindingRules
  // Whether a port's first walk is rehearsed when it is bound.
  readonly rehearse?: boolean
  readonly burstBytes?: number
}

export class House {
  readonly worker: Worker
  readonly view: TopologyView
  readonly places: Places
  readonly upkeep: Upkeep
  readonly sharing: Sharing
  readonly leases: HeldLeases
  readonly #deaths = new Deaths()
  readonly #running: Lifetime[] = []
  readonly #datapath: Datapath
  #rehearsal: Rehearsal | null = null
  #foresight: Foresight | null = null
  #refreshing = false
  #stopped = false

  constructor(parts: HouseParts) {
    const { host, datapath, counters, clock, watcher, burstBytes } = parts
    this.#datapath = datapath
    this.leases = new HeldLeases(parts.leases ?? noLeases(clock, () => this.leases), host)
    const reception = new Reception(host, counters)
    const factories = this.#assemble(parts, reception)
    const listener: ViewListener = {
      stale: tags => this.worker.outdate(tags),
      wake: waitingFor => this.#wake(waitingFor),
      changed: () => {
        this.sharing.topologyChanged()
        this.#foresight?.topologyChanged()
        this.#placesChanged(clock)
      }
    }
    this.view = new TopologyView(factories, parts.link, listener, clock, host)
    this.sharing = new Sharing({
      host,
      view: this.view,
      state: parts.state ?? ownState(clock),
      clock,
      counters,
      released: ticket => this.worker.released(ticket),
      invalidate: tags => this.worker.invalidate(tags),
      imported: () => this.#foresight?.imported(),
      lost: () => this.worker.forgetStateful(),
      wake: waitingFor => this.#wake(waitingFor),
      portReady: () => this.#placesChanged(clock),
      answers: (other, answers) => this.#answers(other, answers),
      away: (other, isAway) => this.view.agentAway(other, isAway)
    })
    const tunnels = this.#tunnels(host)
    const invalidate = (tags: readonly Tag[]): void => this.worker.outdate(tags)
    const { view, sharing } = this
    const wake = (waitingFor: string): void => this.#wake(waitingFor)
    const comes = (port: Port): void => this.#rehearsal?.bound(port)
    const { flowState } = sharing
    const rules = parts.bindings ?? ANY_BINDING
    const common = { host, view, datapath, watcher, tunnels, counters, rules }
    const ready = (model: PortModel): boolean => this.#isReady(model)
    const gone = (port: Port): void => sharing.portGone(port)
    this.places = new Places({ ...common, invalidate, wake, comes, ready, gone })
    const { places } = this
    if (parts.rehearse === true) this.#prepare(parts)
    const entry = new Entry(places, reception)
    const walks = { datapath, view, places, clock, counters, flowState, entry }
    this.worker = new Worker({ ...walks, burstBytes })
    this.upkeep = new Upkeep({ ...walks, worker: this.worker }, parts.upkeep)
    watcher.onChange(() => this.#placesChanged(clock))
  }

  #tunnels(host: string): Tunnels {
    const tunnels = new Tunnels(host, this.view, {
      changed: other => {
        this.worker.outdate([tunnelTag(other)])
        this.#wake(waitForTunnel(other))
      },
      addressesChanged: () => this.worker.outdate([UNDERLAYS]),
      sendersChanged: addresses => {
        this.worker.invalidate(addresses.map(senderTag))
        this.sharing.hosts.set(tunnels.others())
        this.#datapath.setPeers(tunnels.senders())
        this.#wake(WAIT_FOR_SENDERS)
      }
    })
    return tunnels
  }

  async start(): Promise<void> {
    for (const running of this.#running) {
      const started = running.start?.()
      if (started !== undefined) await started // who is up at once lets the rest be up at once
    }
    this.places.refresh()
    this.worker.start()
    this.upkeep.start()
  }

  // Ports whose first walk is still being prepared.
  get rehearsing(): number {
    return this.#rehearsal?.size ?? 0
  }

  // keep: the datapath goes on forwarding for the next agent.  From here on nothing is begun any
  // more, whatever was on its way: a device made now would have nobody to close it.
  async stop(keep: boolean): Promise<void> {
    this.#stopped = true
    this.worker.stop()
    this.upkeep.stop()
    this.#foresight?.close()
    this.places.close(keep)
    for (const running of [...this.#running].reverse()) {
      const stopped = running.stop?.()
      if (stopped !== undefined) await stopped // as at the start
    }
    this.view.close()
    this.sharing.close()
    this.#datapath.close(keep)
  }

  // Whether a port may be activated: what its packets will need is here.
  #isReady(model: PortModel): boolean {
    return this.sharing.portReady(model) && this.#foresight?.isPrepared(model.id) !== false
  }

  #prepare({ host, clock }: HouseParts): void {
    const { view, places, sharing } = this
    const { interested } = sharing
    const { table } = sharing.flowState
    const state = new StateAccess(table)
    const changed = (): void => this.#placesChanged(clock)
    const rehearsal = new Rehearsal({ view, places, clock, state, interested, done: changed })
    const rehearse = ({ id }: Port, frame: Frame): void => rehearsal.expect(id, frame)
    this.#rehearsal = rehearsal
    const isRehearsing = (port: PortId): boolean => rehearsal.isBusyAt(port)
    const foreseen = { rehearse, isRehearsing, changed }
    this.#foresight = new Foresight({ host, view, table, clock, ...foreseen })
  }

  #answers(other: string, answers: boolean): void {
    this.view.hostAnswers(other, answers)
    this.#deaths.heard(other, answers)
  }

  #wake(waitingFor: string): void {
    this.worker.wake(waitingFor)
    this.#rehearsal?.again(waitingFor)
  }

  // Many changes arrive together: one look for all of them.
  #placesChanged(clock: Clock): void {
    if (this.#refreshing) return
    this.#refreshing = true
    clock.soon(() => {
      this.#refreshing = false
      if (!this.#stopped) this.places.refresh()
    })
  }

  #assemble(parts: HouseParts, reception: Reception): Map<string, DeviceFactory> {
    const factories = new Map<string, DeviceFactory>()
    const container = new Container()
    container.provide(Clock, parts.clock)
    container.provide(Random, parts.random)
    container.provide(Counters, parts.counters)
    container.provide(Log, parts.log)
    container.provide(Leases, this.leases)
    container.provide(Visitors, reception)
    container.provide(HostLiveness, this.#deaths)
    container.provide(Walks, {
      emit: (frame, port) => this.worker.emit(frame, port),
      wake: waitingFor => this.worker.wake(waitingFor),
      invalidate: tags => this.worker.invalidate(tags)
    })
    container.provide(Devices, { device: (kind, id) => this.view.device(kind, id) })
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
