// One host's packet side: a list of parts, built and started in this order, stopped in reverse.
// A part knows the events (events.ts) and what stands before it, and nothing that comes after. The
// packet thread (packet-thread.ts) builds one around a kernel datapath, the tests' world many
// around memory.

import type { Counters } from '../core/counters.ts'
import { Lifecycle } from '../core/lifecycle.ts'
import { TopologyView } from '../topology/view.ts'
import { HostEvents } from './events.ts'
import { LeaseClient } from './lease-client.ts'
import { FlowMaintenance } from './packets/maintenance.ts'
import { Worker } from './packets/worker.ts'
import type { HostParts } from './parts.ts'
import { assemble, type PluginParts } from './plugins.ts'
import { LocalDeliveries } from './ports/local-deliveries.ts'
import type { PortBindings } from './ports/port-bindings.ts'
import { portsOf } from './ports/ports.ts'
import type { Punts } from './ports/punts.ts'
import type { DryRun } from './prefetch/dry-run.ts'
import { prefetch } from './prefetch/prefetch.ts'
import { PeerLiveness } from './replication/liveness.ts'
import { ownState } from './replication/state-parts.ts'
import { StateReplication } from './replication/state-replication.ts'

/** One host's packet side: its parts are started in order and stopped in reverse. */
export class Host {
  /** What happens here. */
  readonly events = new HostEvents()
  readonly view: TopologyView
  readonly replication: StateReplication
  /** What plugins hold of what all hosts share. */
  readonly leases: LeaseClient
  readonly bindings: PortBindings
  /** What of its uplink ports stands beside the walk. */
  readonly punts: Punts
  readonly worker: Worker
  readonly maintenance: FlowMaintenance
  readonly #lives: Lifecycle
  readonly #dryRun: DryRun | null
  #keep = false // see stop

  constructor(parts: HostParts) {
    const { events } = this
    const { host, datapath, counters, clock, watcher, link, burstBytes } = parts
    const state = parts.state ?? ownState(clock, parts.assembly.stateKinds)
    const lives = new Lifecycle(clock)
    const factories: PluginParts['factories'] = new Map()
    const view = new TopologyView(factories, link, events, clock, host, parts.assembly)
    countTopology(view, counters)
    events.peer.on((other, alive) => view.hostAnswers(other, alive))
    events.agentAway.on((other, isAway) => view.agentAway(other, isAway))
    const replication = new StateReplication({ host, view, state, clock, counters, events })
    const leases = new LeaseClient(parts.leases ?? null, host, clock)
    const deliveries = new LocalDeliveries(host, counters)
    lives.add('datapath', { stop: () => datapath.close(this.#keep) })
    lives.add('flow state', replication)
    lives.add('topology', { stop: () => view.close() })
    const liveness = new PeerLiveness(events)
    const services = { events, view, leases, delivery: deliveries, liveness }
    assemble({ ...parts, ...services, factories, lives })
    const rules = parts.bindings
    const common = { host, view, datapath, watcher, clock, counters, events }
    const keeps = (): boolean => this.#keep
    const placed = { ...common, rules, replication, deliveries, keeps }
    const { bindings, ingress, readiness, punts } = portsOf(placed, lives)
    const { flowState, handover, targets } = replication
    const walks = { ...common, bindings, flowState, handover, ingress }
    this.worker = new Worker({ ...walks, burstBytes })
    this.maintenance = new FlowMaintenance({ ...walks, worker: this.worker }, parts.maintenance)
    lives.add('worker', this.worker)
    lives.add('maintenance', this.maintenance)
    const prefetched = { host, view, bindings, clock, flowState, targets, events }
    this.#dryRun = parts.prefetch === true ? prefetch(prefetched, readiness, lives) : null
    this.view = view
    this.replication = replication
    this.leases = leases
    this.bindings = bindings
    this.punts = punts
    this.#lives = lives
  }

  /** Rejects with the fault of a part that did not start; those before it are stopped again. */
  start(): Promise<void> {
    return this.#lives.start()
  }

  /** Ports whose first walk is still being prepared. */
  get dryRuns(): number {
    return this.#dryRun?.size ?? 0
  }

  /** `keep`: the datapath goes on forwarding for the next agent. */
  stop(keep: boolean): Promise<void> {
    this.#keep = keep
    return this.#lives.stop()
  }
}

function countTopology(view: TopologyView, counters: Counters): void {
  counters.gauge('topology.devices', () => view.known().devices, 'Devices that are loaded')
  counters.gauge('topology.ports', () => view.known().ports, 'Ports that are known here')
  counters.gauge('topology.interests', () => view.known().interests, 'What is asked of the store')
  counters.gauge('topology.let-go', () => view.known().letGo, 'Devices let go so far')
}
