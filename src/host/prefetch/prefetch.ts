// What is fetched before packets need it: dry runs walk without packets, the prefetcher tells them
// which packets will come. prefetcher.test.ts and dry-run.test.ts hold both.

import type { Lifecycle } from '../../core/lifecycle.ts'
import { StateAccess } from '../../state/access.ts'
import type { Readiness } from '../ports/readiness.ts'
import type { FlowState } from '../replication/flow-state.ts'
import { DryRun, type DryRunParts } from './dry-run.ts'
import { Prefetcher, type PrefetcherParts } from './prefetcher.ts'

/** What prefetching is made of. */
export interface PrefetchParts
  extends Omit<PrefetcherParts, 'table' | 'dryRun'>,
    Omit<DryRunParts, 'state'> {
  /** Whose records say which packets will come. */
  readonly flowState: Pick<FlowState, 'table'>
}

/** Ports are not ready until what their packets will need is here, or 150 ms have passed. */
export function prefetch(parts: PrefetchParts, readiness: Readiness, lives: Lifecycle): DryRun {
  const { table } = parts.flowState
  const dryRun = new DryRun({ ...parts, state: new StateAccess(table) })
  const prefetcher = new Prefetcher({ ...parts, table, dryRun })
  readiness.requires(({ id }) => prefetcher.isPrepared(id))
  lives.add('prefetcher', prefetcher)
  return dryRun
}
