// How a store on ZooKeeper is, as this process sees it.

import type { StoreReport } from '../store.ts'
import type { Writer } from './changes/writer.ts'
import type { ZooKeeper } from './client/client.ts'
import type { SharedTables } from './tables/shared-tables.ts'

interface Reported {
  readonly zk: ZooKeeper
  readonly writer: Writer
  readonly tables: SharedTables
  readonly where: string
}

/** How a store on ZooKeeper is, for operators. */
export function reportOf({ zk, writer, tables, where }: Reported): StoreReport {
  const { letGo, ...table } = tables.counters
  return {
    kind: 'zookeeper',
    where,
    state: writer.isHalted ? 'halted' : zk.connected ? 'connected' : 'away',
    fault: writer.fault ?? tables.fault,
    lastError: writer.fault ?? tables.fault ?? zk.lastFault,
    session: zk.session,
    sessionMs: zk.sessionMs,
    change: writer.replica.n,
    awayMs: Math.round(zk.awayMs),
    lagMs: writer.lagMs,
    counters: {
      ...prefixed('', zk.counters),
      ...prefixed('log-', writer.counters),
      ...prefixed('table-', table),
      'tables-let-go': letGo
    },
    gauges: {
      watches: zk.watches,
      requests: zk.open,
      waiting: writer.waiting,
      tables: tables.size,
      'table-rows': tables.rows
    }
  }
}

const prefixed = (prefix: string, counters: object): Record<string, number> =>
  Object.fromEntries(Object.entries(counters).map(([name, n]) => [`${prefix}${name}`, n as number]))
