// Where flow state is kept for an agent that comes back or a port that comes here.  Written behind
// the packets' backs, read only when a port is bound.  Two implementations keep this contract
// (test/state/store-contract.ts): a local journal and Cassandra.

/** Records about one port, as codec.ts writes them (`encodeRecords`). */
export interface SavedBatch {
  readonly port: number // tunnel key
  readonly bytes: Uint8Array
}

export type StoreState = 'ready' | 'away' | 'closed'

export interface FlowStateStore {
  readonly state: StoreState
  /** Never waits and never throws: what does not fit the bounded queue is counted and left out. */
  save(batches: readonly SavedBatch[]): void
  /**
   * What was saved about a port and has not outlived its time, oldest first.  Rejects when away.
   */
  load(port: number): Promise<Uint8Array[]>
  /** Resolves when what was saved so far is safe, or cannot be. */
  settle(): Promise<void>
  counters(): Record<string, number>
  close(): Promise<void>
}
