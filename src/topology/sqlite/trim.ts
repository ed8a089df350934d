// Keeps the logs bounded.  Trimming costs, so it happens each time a log has grown by a stride;
// the newest rows always stay, because counting goes on from them.
// test/store/limits.test.ts holds it.

import type { Database } from './database.ts'

const STRIDE = 256

/** Cuts the logs of changes at their old end. */
export class Trimmer {
  readonly #database: Database
  readonly #rowsMax: number
  #objects = 0
  #entries = 0

  constructor(database: Database, rowsMax: number) {
    this.#database = database
    this.#rowsMax = Math.max(1, rowsMax)
  }

  /** Within a transaction, with the newest row of either log. */
  trim(objects: number, entries: number): void {
    if (objects - this.#objects >= STRIDE) {
      this.#database.run('DELETE FROM object_log WHERE n <= ?', objects - this.#rowsMax)
      this.#objects = objects
    }
    if (entries - this.#entries >= STRIDE) {
      this.#database.run('DELETE FROM entry_log WHERE n <= ?', entries - this.#rowsMax)
      this.#entries = entries
    }
  }
}
