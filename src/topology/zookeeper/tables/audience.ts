// Who listens to one table.  A newcomer is told all there is once that has been read.
// test/zookeeper/tables.test.ts holds it.

import type { TableEntry, TableEvent } from '../../store.ts'
import type { TableWatcher } from './watcher.ts'

/** Who watches a table. */
export class Audience {
  readonly #watchers = new Set<TableWatcher>()
  #newcomers: TableWatcher[] = []

  /** Watchers, those included that were told nothing yet. */
  get size(): number {
    return this.#watchers.size + this.#newcomers.length
  }

  /** Adds a watcher; it is told what there is, by `admit`, before it is told changes. */
  add(watcher: TableWatcher): void {
    this.#newcomers.push(watcher)
  }

  /** Takes a watcher away: it is told nothing more. */
  remove(watcher: TableWatcher): void {
    this.#watchers.delete(watcher)
    this.#newcomers = this.#newcomers.filter(each => each !== watcher)
    watcher.close()
  }

  /** Tells all that were added since the last time what there is; from now on they hear changes. */
  admit(everything: () => Iterable<TableEntry>): void {
    if (this.#newcomers.length === 0) return
    const events = [...everything()].map(entry => Object.freeze({ op: 'put' as const, entry }))
    for (const watcher of this.#newcomers.splice(0)) {
      this.#watchers.add(watcher)
      watcher.begin(events)
    }
  }

  /** Tells these changes to all that were admitted. */
  tell(events: readonly TableEvent[]): void {
    for (const watcher of [...this.#watchers]) watcher.tell(events)
  }

  /** Resolves when everybody has heard everything. */
  async heard(): Promise<void> {
    for (const watcher of [...this.#watchers]) await watcher.idle()
  }

  /** Tells nobody anything more. */
  close(): void {
    for (const watcher of [...this.#watchers, ...this.#newcomers]) watcher.close()
  }
}
