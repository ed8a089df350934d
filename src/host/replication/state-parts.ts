// Where flow state is kept and how it is shared: what a host is given of it.

import type { Clock } from '../../core/clock.ts'
import type { Exchange, ExchangeListener } from '../../state/exchange/exchange.ts'
import { type StateKind, withKinds } from '../../state/kinds.ts'
import { MemoryStateTable } from '../../state/memory-table.ts'
import type { StateTable } from '../../state/table.ts'
import { TIMEOUTS_DEFAULT, type Timeouts } from '../../state/timeouts.ts'
import type { StateSaver } from './record-use.ts'

/** Where flow state is, and what shares and keeps it. */
export interface StateParts {
  readonly table: StateTable
  /** By number, from 1. */
  readonly kinds: readonly StateKind[]
  readonly timeouts: Timeouts
  /** Records that came in by one port; 0: no bound but the table's. */
  readonly perPortMax?: number
  /** Begins the exchange with other hosts; null: state is not shared. */
  readonly openExchange: ((listener: ExchangeListener) => Exchange) | null
  /** null: nothing is kept. */
  readonly saver: StateSaver | null
  /** Asks for what was kept of a port; null: nothing is. */
  readonly load: ((port: number) => void) | null
  /** An agent of this host may have been here before. */
  readonly recover: boolean
}

const STATE_CAPACITY = 65_536

/** The parts of a host that shares its state with no other. */
export function ownState(clock: Clock, kinds: readonly StateKind[]): StateParts {
  const timeouts = withKinds(TIMEOUTS_DEFAULT, kinds)
  const now = (): number => clock.now()
  const table = new MemoryStateTable({ capacity: STATE_CAPACITY, timeouts, now })
  const alone = { openExchange: null, saver: null, load: null, recover: false }
  return { table, kinds, timeouts, ...alone }
}
