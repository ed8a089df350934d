// What the tables of a process share.

import type { Clock } from '../../../core/clock.ts'
import type { ZooKeeper } from '../client/client.ts'

/** What tables on ZooKeeper are made of. */
export interface TableParts {
  /** The client. */
  readonly zk: ZooKeeper
  readonly clock: Clock
  /** Our process, and the next of the numbers of what it makes. */
  readonly by: string
  /** The number of our next change. */
  readonly serial: () => number
  /** Sessions of this process. */
  readonly own: ReadonlySet<string>
  /** Whether a session has not ended, as far as is known here; `fresh` makes that all there is. */
  readonly lasts: (session: string) => boolean
  /** Resolves when what others appended until now can be read. */
  readonly fresh: () => Promise<void>
  /** Those whose sessions last. */
  readonly processes: () => ReadonlySet<string>
  readonly counters: TableCounters
}

/** What tables count, all together. */
export interface TableCounters {
  /** Appended by us. */
  changes: number
  /** Ours and others'. */
  applied: number
  /** Of ours, whose outcome had to be found out. */
  unknown: number
  /** From a base. */
  reloads: number
  /** Made by us. */
  bases: number
  /** Changes that somebody else removed. */
  gaps: number
  /** Times that a table could not be read on. */
  faults: number
  /** Tables that nobody needed any more. */
  letGo: number
}

/** All counters at 0. */
export const newTableCounters = (): TableCounters => ({
  ...{ changes: 0, applied: 0, unknown: 0, reloads: 0, bases: 0, gaps: 0, faults: 0, letGo: 0 }
})
