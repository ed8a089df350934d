// How a store is, for people and for metrics.

export interface StoreReport {
  readonly kind: 'sqlite' | 'zookeeper'
  /** Its file, or the servers and the node below which it is. */
  readonly where: string
  /** away: what is known is served, changes wait or are refused; halted: until it is mended. */
  readonly state: 'connected' | 'away' | 'halted'
  /** Why it is not connected, or which table cannot be read. */
  readonly fault: string | undefined
  /** What went wrong last, also when all is well again. */
  readonly lastError: string | undefined
  /** Our session with ZooKeeper, as its commands show it; how long the servers keep it, ms. */
  readonly session: string | undefined
  readonly sessionMs: number | undefined
  /** Number of the last change that is here. */
  readonly change: number
  /** For how long there has been no connection, ms; 0: there is one. */
  readonly awayMs: number
  /** For how long we have known of changes that are not here yet, ms; 0: all are. */
  readonly lagMs: number
  /** What has grown since the start, and what there is now. */
  readonly counters: Readonly<Record<string, number>>
  readonly gauges: Readonly<Record<string, number>>
}
