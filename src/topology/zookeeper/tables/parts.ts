// What the tables of a process share.

import type { Clock } from '../../../core/clock.ts'
import type { ZooKeeper } from '../client/client.ts'

/** What tables on ZooKeeper are made of. */
export interface TableParts {
  /** The connection with ZooKeeper. */
  readonly zk: ZooKeeper
  readonly clock: Clock
  /** Name of this process: it knows its changes by it. */
  readonly by: string
  /** Gives the number of this process's next change. */
  readonly serial: () => number
  /** Sessions of this process. */
  readonly own: ReadonlySet<string>
  /** Whether a session has not ended, as far as is known here; `fresh` makes that all there is. */
  readonly lasts: (session: string) => boolean
  /** Resolves when what others appended until now can be read. */
  readonly fresh: () => Promise<void>
  /** Names of the processes that have sessions. */
  readonly processes: () => ReadonlySet<string>
  /** Not before what was held over the end of a session has been claimed, nor once it is fenced. */
  readonly mayWrite: () => boolean
  readonly counters: TableCounters
}

/** What the tables of a process count, all together. */
export interface TableCounters {
  /** Changes that this process appended. */
  changes: number
  /** Changes applied, ours and others'. */
  applied: number
  /** Changes of ours whose outcome had to be found out after a lost connection. */
  unknown: number
  /** Times that a table was read anew from a base. */
  reloads: number
  /** Bases that this process made. */
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
