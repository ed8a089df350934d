// What the tables of a process share.

import type { Clock } from '../../../core/clock.ts'
import type { ZooKeeper } from '../client/client.ts'

export interface TableParts {
  readonly zk: ZooKeeper
  readonly clock: Clock
  /** Our process, and the next of the numbers of what it makes. */
  readonly by: string
  readonly serial: () => number
  /** Sessions of this process. */
  readonly own: ReadonlySet<string>
  /** Whether a session has not ended, as far as is known here; `fresh` makes that all there is. */
  readonly lasts: (session: string) => boolean
  readonly fresh: () => Promise<void>
  /** Those whose sessions last. */
  readonly processes: () => ReadonlySet<string>
  readonly counters: TableCounters
}

export interface TableCounters {
  changes: number // appended by us
  applied: number // ours and others'
  unknown: number // of ours, whose outcome had to be found out
  reloads: number // from a base
  bases: number // made by us
  gaps: number // changes that somebody else removed
  faults: number // times that a table could not be read on
  letGo: number // tables that nobody needed any more
}

export const newTableCounters = (): TableCounters => ({
  ...{ changes: 0, applied: 0, unknown: 0, reloads: 0, bases: 0, gaps: 0, faults: 0, letGo: 0 }
})
