// What one port may have open in the tables of flow state (state.connectionsPerPort), and who has
// met that bound: counted by port, and told to who looks at the port.  Only ports that have met it
// have a counter, and only so many of them one of their own. test/state/quota.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import type { Port, PortId } from '../../simulation/device.ts'
import { RECORD_WORDS } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'
import { refusalsTable } from '../../topology/ports/port-status.ts'
import type { Table } from '../../topology/tables/table.ts'
import type { TopologyView } from '../../topology/view.ts'

/** Drop reason of packets that would open more connections than their port may have. */
export const PORT_FULL = 'state.port-full'

const PORTS_MAX = 256 // with a counter of their own; more are counted together
const OTHERS = 'others'
const TELL_MS = 5_000 // whoever looks at a port needs no newer number, and the store no more writes

interface Refusals {
  readonly counter: Counter
  told: number
}

/** What `PortQuota` is given. */
export interface PortQuotaParts {
  /** Records whose first packet came in by one port; 0: no bound. */
  readonly max: number
  readonly table: StateTable
  /** Where the count of a port is told. */
  readonly view: Pick<TopologyView, 'table'>
  /** Id of this host. */
  readonly host: string
  readonly clock: Clock
  readonly counters: Counters
}

/** Counts, by port, packets that met the bound of connections. */
export class PortQuota {
  readonly #parts: PortQuotaParts
  readonly #refusals = new Map<PortId, Refusals>()
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(parts: PortQuotaParts) {
    this.#parts = parts
  }

  /**
   * Whether the walk would open more connections than its port may have. Records that are known
   * already have their place and are let pass.
   */
  isFull({ state, entryPort }: SimulationContext): boolean {
    const { max, table } = this.#parts
    if (max === 0 || entryPort === null) return false
    if (table.heldBy(entryPort.number) + state.pendingCount <= max) return false
    for (let i = 0; i < state.pendingCount; i++)
      if (table.find(state.pending, i * RECORD_WORDS) === 0) return true
    return false
  }

  /** Counts a packet of this port that was dropped because its port is full. */
  refused({ id }: Port): void {
    this.#of(id).counter.value++
  }

  /**
   * Call it every tick: writes changed counts into this host's table of refusals, every 5 s at
   * most.
   */
  tick(): void {
    const now = this.#parts.clock.now()
    if (this.#refusals.size === 0 || now - this.#toldMs < TELL_MS) return
    this.#toldMs = now
    const table = this.#table()
    for (const [port, refusals] of this.#refusals) {
      const { value } = refusals.counter
      if (port === OTHERS || value === refusals.told) continue
      table.put(port, String(value))
      refusals.told = value
    }
  }

  /** The port is elsewhere now; the counter stays, for counters only grow. */
  gone(port: PortId): void {
    const refusals = this.#refusals.get(port)
    if (refusals === undefined) return
    this.#table().remove(port)
    refusals.told = refusals.counter.value
  }

  #table(): Table {
    return this.#parts.view.table(refusalsTable(this.#parts.host))
  }

  #of(port: PortId): Refusals {
    const known = this.#refusals.get(port)
    if (known !== undefined) return known
    if (this.#refusals.size >= PORTS_MAX && port !== OTHERS) return this.#of(OTHERS)
    const counter = this.#parts.counters.claim(`port-full.${port}`)
    const refusals = { counter, told: 0 }
    this.#refusals.set(port, refusals)
    return refusals
  }
}
