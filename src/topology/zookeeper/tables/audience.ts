// Who listens to one table.  A newcomer is told all there is once that has been read.
// test/zookeeper/tables.test.ts holds it.

import type { TableEntry, TableEvent } from '../../store.ts'
import type { TableWatcher } from './watcher.ts'

/** Who watches a table. */
export class Audience {
  readonly #watchers = new Set<TableWatcher>()
  #newcomers: TableWatcher[] = []

  /** How many, those that were told nothing yet included. */
  get size(): number {
    return this.#watchers.size + this.#newcomers.length
  }

  /** It is told what there is before it is told changes. */
  add(watcher: TableWatcher): void {
    this.#newcomers.push(watcher)
  }

  /** It is told nothing more. */
  remove(watcher: TableWatcher): void {
    this.#watchers.delete(watcher)
    this.#newcomers = this.#newcomers.filter(each => each !== watcher)
    watcher.close()
  }

  /** From now on newcomers hear what all the others do. */
  admit(everything: () => Iterable<TableEntry>): void {
    if (this.#newcomers.length === 0) return
    const events = [...everything()].map(entry => Object.freeze({ op: 'put' as const, entry }))
    for (const watcher of this.#newcomers.splice(0)) {
      this.#watchers.add(watcher)
      watcher.begin(events)
    }
  }

  /** Tells everybody who knows what there was before. */
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
