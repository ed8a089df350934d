// What a flow-state store counts.  Each name has a row in docs/operations.md; those that only one
// of the implementations has stay 0 in the other, so that a dashboard need not know which it is.
// test/state/journal.test.ts holds it.

import type { SaveQueue } from './queue.ts'

/** Counters of a flow-state store; docs/operations.md has a row for each. */
export class Tally {
  /** Batches written. */
  saved = 0
  /** Bytes of them. */
  savedBytes = 0
  /** Writes that failed and were tried again. */
  failed = 0
  /** Queries that got no answer in time. */
  timedOut = 0
  /** How often the store became unreachable. */
  away = 0
  /** Batches that the store would never take, left out. */
  refused = 0
  /** Ports whose state was asked for. */
  loads = 0
  /** Batches read for them. */
  loaded = 0
  /** Ports whose state could not be read. */
  loadFailed = 0
  /** Ports of whose state the oldest was left out. */
  cut = 0
  /** Files or batches that could not be read. */
  damaged = 0
  /** Files that went because the disk's bound was reached. */
  pushedOut = 0
  /** Disk in use now. */
  diskBytes = 0
  /** Queries that write. */
  saveQueries = 0
  /** Queries that read. */
  loadQueries = 0
  /** Queries about keyspace and table. */
  schemaQueries = 0
  /** Queries that ask whether the cluster is there. */
  probeQueries = 0

  /** Their values by the names of metrics, with those of the queue. */
  record(queue: SaveQueue): Record<string, number> {
    return {
      'state.store-saved': this.saved,
      'state.store-saved-bytes': this.savedBytes,
      'state.store-queued-bytes': queue.bytes,
      'state.store-left-out': queue.leftOut,
      'state.store-failed': this.failed,
      'state.store-timed-out': this.timedOut,
      'state.store-away': this.away,
      'state.store-refused': this.refused,
      'state.store-loads': this.loads,
      'state.store-loaded': this.loaded,
      'state.store-load-failed': this.loadFailed,
      'state.store-cut': this.cut,
      'state.store-damaged': this.damaged,
      'state.store-pushed-out': this.pushedOut,
      'state.store-disk-bytes': this.diskBytes,
      'state.store-save-queries': this.saveQueries,
      'state.store-load-queries': this.loadQueries,
      'state.store-schema-queries': this.schemaQueries,
      'state.store-probe-queries': this.probeQueries
    }
  }
}
