// What a flow-state store counts.  Each name has a row in docs/operations.md; those that only one
// of the implementations has stay 0 in the other, so that a dashboard need not know which it is.

import type { SaveQueue } from './queue.ts'

export class Tally {
  saved = 0
  savedBytes = 0
  failed = 0
  timedOut = 0
  away = 0
  refused = 0
  loads = 0
  loaded = 0
  loadFailed = 0
  cut = 0
  damaged = 0
  pushedOut = 0
  diskBytes = 0
  saveQueries = 0
  loadQueries = 0
  schemaQueries = 0
  probeQueries = 0

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
