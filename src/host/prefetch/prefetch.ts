// What is fetched before packets need it: rehearsals walk without packets, foresight tells them
// which packets will come. foresight.test.ts and rehearsal.test.ts hold both.

import type { Lifetimes } from '../../core/lifetime.ts'
import { StateAccess } from '../../state/access.ts'
import type { Readiness } from '../ports/readiness.ts'
import type { FlowState } from '../replication/flow-state.ts'
import { Foresight, type ForesightParts } from './foresight.ts'
import { Rehearsal, type RehearsalParts } from './rehearsal.ts'

export interface PrefetchParts
  extends Omit<ForesightParts, 'table' | 'rehearsal'>,
    Omit<RehearsalParts, 'state'> {
  readonly flowState: Pick<FlowState, 'table'>
}

/** Ports are not ready until what their packets will need is here, or 150 ms have passed. */
export function prefetch(parts: PrefetchParts, readiness: Readiness, lives: Lifetimes): Rehearsal {
  const { table } = parts.flowState
  const rehearsal = new Rehearsal({ ...parts, state: new StateAccess(table) })
  const foresight = new Foresight({ ...parts, table, rehearsal })
  readiness.requires(({ id }) => foresight.isPrepared(id))
  lives.add('foresight', foresight)
  return rehearsal
}
