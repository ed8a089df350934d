// What this gateway says of sessions and networks in the shared table of a router. Written when it
// changes, one write of an entry at a time. gateway.test.ts holds it.

import type { Log, Store } from '../../../src/control.ts'
import { reportTable } from '../table.ts'

type Table = ReturnType<Store['table']>

/** The entries of one port. */
export class Reports {
  readonly #table: Table
  readonly #log: Log
  readonly #place: string
  readonly #wanted = new Map<string, string>()
  readonly #said = new Map<string, string>()
  #isBusy = false

  /** `place` ends each key: whose entries they are. */
  constructor(store: Pick<Store, 'table'>, log: Log, router: string, place: string) {
    this.#table = store.table(reportTable(router))
    this.#log = log
    this.#place = place
  }

  /** From now on these, by the beginnings of their keys, and no others. */
  set(reports: ReadonlyMap<string, object>): void {
    this.#wanted.clear()
    for (const [begin, report] of reports)
      this.#wanted.set(`${begin}${this.#place}`, JSON.stringify(report))
    if (!this.#isBusy) void this.#write()
  }

  // While the store is away this waits, and what is said meanwhile is said then.
  async #write(): Promise<void> {
    this.#isBusy = true
    try {
      for (let steps = this.#steps(); steps.length > 0; steps = this.#steps())
        await Promise.all(steps.map(step => step()))
    } catch (error) {
      this.#log.debug({ err: error }, 'reports were not stored')
    } finally {
      this.#isBusy = false
    }
  }

  #steps(): (() => Promise<void>)[] {
    const steps: (() => Promise<void>)[] = []
    for (const [key, value] of this.#wanted)
      if (this.#said.get(key) !== value)
        steps.push(async () => {
          await this.#table.put(key, value)
          this.#said.set(key, value)
        })
    for (const key of this.#said.keys())
      if (!this.#wanted.has(key))
        steps.push(async () => {
          await this.#table.remove(key)
          this.#said.delete(key)
        })
    return steps
  }
}
