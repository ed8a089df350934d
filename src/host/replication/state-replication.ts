// All of flow state on one host: the table, the exchange with other hosts, who gets it, which
// ports may be activated. Each part knows those built before it.
// test/state/replication.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import { stateTag } from '../../flow/tag.ts'
import type { Port } from '../../simulation/device.ts'
import type { Exchange } from '../../state/exchange/exchange.ts'
import { hostHash } from '../../state/record.ts'
import type { PortModel } from '../../topology/models.ts'
import type { TopologyView } from '../../topology/view.ts'
import type { HostEvents } from '../events.ts'
import { WAIT_FOR_GROUPS, waitForPull } from '../waits.ts'
import { Custody } from './custody.ts'
import { FlowState } from './flow-state.ts'
import { MovedState } from './moved-state.ts'
import { Peers } from './peers.ts'
import { PortHandover } from './port-handover.ts'
import { PortQuota } from './port-quota.ts'
import type { StateParts } from './state-parts.ts'
import { ReplicationTargets } from './targets.ts'

/** What `StateReplication` is given. */
export interface StateReplicationParts {
  /** Id of this host. */
  readonly host: string
  readonly view: TopologyView
  /** Where records are, what shares them, and what keeps them. */
  readonly state: StateParts
  readonly clock: Clock
  readonly counters: Counters
  readonly events: HostEvents
}

/**
 * Flow state of one host: its table, its peers, and what moves with ports. Holds the parts
 * together.
 */
export class StateReplication {
  readonly flowState: FlowState
  readonly peers: Peers
  readonly exchange: Exchange | null
  readonly handover: PortHandover
  readonly targets: ReplicationTargets
  readonly #parts: StateReplicationParts
  readonly #custody: Custody
  readonly #movedState: MovedState
  readonly #quota: PortQuota
  #looking = false

  constructor(parts: StateReplicationParts) {
    this.#parts = parts
    const { host, view, state, clock, counters, events } = parts
    const { table, timeouts, saver, load, recover } = state
    const targets = new ReplicationTargets(host, view)
    const exchange = state.openExchange?.(events) ?? null
    const peers = new Peers({ exchange, table, targets, clock, counters, events })
    const movedState = new MovedState({ table, saver, clock })
    const asked = { peers, movedState, load, recover }
    const handover = new PortHandover({ ...asked, clock, counters, events })
    const max = state.perPortMax ?? 0
    const quota = new PortQuota({ max, table, view, host, clock, counters })
    const word = hostHash(host)
    const common = { word, table, exchange, targets, saver, clock, counters, events }
    this.targets = targets
    this.exchange = exchange
    this.peers = peers
    this.handover = handover
    this.#movedState = movedState
    this.#quota = quota
    this.#custody = new Custody(common)
    const kinds = state.kinds.map(({ name }) => name)
    this.flowState = new FlowState({ ...common, timeouts, quota, kinds })
    events.topologyChanged.on(() => this.#topologyChanged())
    events.portGone.on(port => this.#portGone(port))
    events.imported.on(hashes => this.imported(hashes))
    events.pulled.on(ticket => events.wake(waitForPull(ticket)))
  }

  #topologyChanged(): void {
    this.targets.refresh()
    this.#parts.events.wake(WAIT_FOR_GROUPS)
    if (this.#looking) return
    this.#looking = true
    this.#parts.clock.soon(() => {
      this.#looking = false
      for (const host of this.targets.newcomers()) this.peers.give(host)
      const ours = this.targets.ours()
      if (ours !== undefined) this.handover.concern(ours)
      this.#custody.refresh()
    })
  }

  /**
   * Whether the state of a port's flows is here. Who gets its connections is found out
   * while that is on its way.
   */
  isPortReady(model: PortModel): boolean {
    this.#parts.view.need({ kind: 'port-group', field: 'ports', value: model.id })
    return this.handover.ready(model.number ?? 0, previousHostOf(model, this.#parts.host))
  }

  // A port has moved to another host: it is to have the state of its flows without asking for it.
  #portGone(port: Port): void {
    this.handover.gone(port.number)
    this.#movedState.gone(port.number)
    this.#quota.gone(port.id)
    if (port.host !== null) this.peers.give(port.host, [port.number])
  }

  /** Records under these keys came, changed or went: walks that asked for them are done again. */
  imported(hashes: readonly number[]): void {
    this.#parts.events.stale(hashes.map(stateTag))
  }

  /** Ends the exchange and closes the table. */
  stop(): void {
    this.handover.close()
    this.#movedState.close()
    this.#custody.close()
    this.peers.close()
    this.exchange?.close()
    this.flowState.table.close()
  }
}

// The host a port was bound on before it came to this one.
function previousHostOf(model: PortModel, host: string): string | undefined {
  const previous = (model as { previousHost?: string }).previousHost
  return previous === host ? undefined : previous
}
