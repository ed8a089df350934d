// All of flow state in one house: the table, the exchange with other hosts, who is interested,
// which
// ports may be activated.  The parts call each other; they are tied together here.

import type { Clock } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import { stateTag, type Tag } from '../../flow/tag.ts'
import type { Port } from '../../simulation/device.ts'
import type { Exchange, ExchangeListener } from '../../state/exchange/exchange.ts'
import { LIFETIMES_DEFAULT, type Lifetimes } from '../../state/lifetimes.ts'
import { MemoryStateTable } from '../../state/memory-table.ts'
import { hostWord } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'
import type { PortModel } from '../../topology/models.ts'
import type { TopologyView } from '../../topology/view.ts'
import { waitForPull } from './asking.ts'
import { Custody } from './custody.ts'
import { FlowState, type StateSaver } from './flow-state.ts'
import { Hosts } from './hosts.ts'
import { Interested, WAIT_FOR_GROUPS } from './interested.ts'
import { MovedState } from './moved-state.ts'
import { PortQuota } from './port-quota.ts'
import { PortStates } from './port-states.ts'

// Where flow state is kept and how it is shared; without, in memory and not at all.
export interface StateParts {
  readonly table: StateTable
  readonly lifetimes: Lifetimes
  readonly perPortMax?: number // records that came in by one port; 0: no bound but the table's
  readonly openExchange: ((listener: ExchangeListener) => Exchange) | null
  readonly saver: StateSaver | null
  readonly load: ((port: number) => void) | null
  readonly recover: boolean // an agent of this host may have been here before
}

export interface SharingParts {
  readonly host: string
  readonly view: TopologyView
  readonly state: StateParts
  readonly clock: Clock
  readonly counters: Counters
  readonly released: (ticket: number) => void
  readonly invalidate: (tags: readonly Tag[]) => void
  readonly imported: () => void // records have come
  /** Anything may have changed: every flow that rests on state is walked again. */
  readonly lost: () => void
  readonly wake: (waitingFor: string) => void
  readonly portReady: () => void // of one that could not be activated before
  /** A host stopped answering, or answers again. */
  readonly answers: (host: string, answers: boolean) => void
  /** The agent of a host is gone, or there again. */
  readonly away: (host: string, isAway: boolean) => void
}

export class Sharing {
  readonly flowState: FlowState
  readonly hosts: Hosts
  readonly exchange: Exchange | null
  readonly portStates: PortStates
  readonly interested: Interested
  readonly #parts: SharingParts
  readonly #custody: Custody
  readonly #movedState: MovedState
  readonly #quota: PortQuota
  #looking = false

  constructor(parts: SharingParts) {
    this.#parts = parts
    const { host, view, state, clock, counters } = parts
    const { table, lifetimes, saver } = state
    const interested = new Interested(host, view)
    this.interested = interested
    const exchange = state.openExchange?.(this.#listener()) ?? null
    this.exchange = exchange
    this.hosts = new Hosts({
      exchange,
      table,
      interested,
      clock,
      counters,
      answers: parts.answers,
      away: parts.away,
      left: other => this.portStates.left(other),
      given: (other, ports) => this.portStates.given(other, ports)
    })
    const { hosts } = this
    const changed = parts.portReady
    const { load, recover } = state
    this.#movedState = new MovedState({ table, saver, clock })
    const moved = (port: number): void => this.#movedState.came(port)
    const recovered = (): void => {
      for (const other of hosts.ready()) hosts.give(other)
    }
    const told = { changed, moved, recovered }
    this.portStates = new PortStates({ hosts, clock, counters, load, recover, ...told })
    const word = hostWord(host)
    const forgotten = (hashes: readonly number[]): void => this.imported(hashes)
    const held = { word, table, exchange, interested, saver, clock, counters }
    this.#custody = new Custody({ ...held, forgotten })
    const settled = (): boolean => this.portStates.settled
    const max = state.perPortMax ?? 0
    const quota = new PortQuota({ max, table, view, clock, counters })
    this.#quota = quota
    const common = { table, exchange, saver, lifetimes, quota, interested, clock, counters }
    const stale = (hashes: readonly number[]): void => this.imported(hashes)
    this.flowState = new FlowState({ ...common, word, stale, settled })
  }

  topologyChanged(): void {
    this.interested.refresh()
    this.#parts.wake(WAIT_FOR_GROUPS)
    if (this.#looking) return
    this.#looking = true
    this.#parts.clock.soon(() => {
      this.#looking = false
      for (const host of this.interested.newcomers()) this.hosts.give(host)
      this.#custody.refresh()
    })
  }

  // Who is interested in its connections is found out while their state is on its way.
  portReady(model: PortModel): boolean {
    this.#parts.view.need({ kind: 'port-group', field: 'ports', value: model.id })
    return this.portStates.ready(model.number ?? 0, previousHostOf(model, this.#parts.host))
  }

  // A port has moved to another host: it is to have the state of its flows without asking for it.
  portGone(port: Port): void {
    this.portStates.gone(port.number)
    this.#movedState.gone(port.number)
    this.#quota.gone(port.id)
    if (port.host !== null) this.hosts.give(port.host, [port.number])
  }

  /** What stands under these keys is new, different, or gone: whoever asked asks again. */
  imported(hashes: readonly number[]): void {
    this.#parts.invalidate(hashes.map(stateTag))
  }

  close(): void {
    this.portStates.close()
    this.#movedState.close()
    this.#custody.close()
    this.hosts.close()
    this.exchange?.close()
    this.flowState.table.close()
  }

  // Made before what it calls: nothing of it is called before the house stands.
  #listener(): ExchangeListener {
    const { released, imported, lost, wake } = this.#parts
    return {
      released,
      imported: hashes => {
        this.imported(hashes)
        imported()
      },
      lost,
      pulled: ticket => wake(waitForPull(ticket)),
      liveness: of => this.hosts.liveness(of),
      joined: word => this.hosts.joined(word),
      owed: word => this.hosts.owed(word),
      asked: (word, ports) => this.portStates.whenRecollected(() => this.hosts.asked(word, ports)),
      told: (word, bytes) => this.hosts.told(word, bytes)
    }
  }
}

const STATE_CAPACITY = 65_536

/** Of a house that shares with nobody. */
export const ownState = (clock: Clock): StateParts => ({
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
