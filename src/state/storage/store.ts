// Where flow state is kept for an agent that comes back or a port that comes here.  Written behind
// the packets' backs, read only when a port is bound.  Two implementations keep this contract
// (test/state/store-contract.ts): a local journal and Cassandra.

/** Records about one port, as codec.ts writes them (`encodeRecords`). */
export interface SavedBatch {
  /** Tunnel key. */
  readonly port: number
  /** The store's from `save` on: nobody changes them any more. */
  readonly bytes: Uint8Array
}

/** What one batch may hold: a saver splits before, a store leaves out what is larger. */
export const BATCH_BYTES_MAX = 1 << 20

/** `away`: writes fail or were never tried; what is saved waits in the queue as long as it fits. */
export type StoreState = 'ready' | 'away' | 'closed'

/** Keeps batches of records by port, behind the packets' backs. */
export interface FlowStateStore {
  readonly state: StoreState
  /** Never waits and never throws: what does not fit the bounded queue is counted and left out. */
  save(batches: readonly SavedBatch[]): void
  /**
   * What was saved about a port and has not outlived its time, oldest first; of more than the limit
   * the newest.  Rejects when it cannot be read.
   */
  load(port: number): Promise<Uint8Array[]>
  /**
   * The port is elsewhere now: what this host saved of it so far is not loaded again.  A store that
   * all hosts share keeps it, for the next host adds to it.
   */
  forget?(port: number): void
  /** Resolves when what was saved so far is safe, or cannot be. */
  settle(): Promise<void>
  /** By the names of docs/operations.md. */
  counters(): Record<string, number>
  /** Writes what waits, as far as that goes, and lets go. */
  close(): Promise<void>
}
