// Who listens to one table.  A newcomer is told all there is once that has been read.
// test/zookeeper/tables.test.ts holds it.

import type { TableEntry, TableEvent } from '../../store.ts'
import type { TableWatcher } from './watcher.ts'

export class Audience {
  readonly #watchers = new Set<TableWatcher>()
  #newcomers: TableWatcher[] = []

  get size(): number {
    return this.#watchers.size + this.#newcomers.length
  }

  add(watcher: TableWatcher): void {
    this.#newcomers.push(watcher)
  }

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

  tell(events: readonly TableEvent[]): void {
    for (const watcher of [...this.#watchers]) watcher.tell(events)
  }

  /** Resolves when everybody has heard everything. */
  async heard(): Promise<void> {
    for (const watcher of [...this.#watchers]) await watcher.idle()
  }

  close(): void {
    for (const watcher of [...this.#watchers, ...this.#newcomers]) watcher.close()
  }
}
