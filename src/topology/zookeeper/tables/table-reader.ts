// Follows the log of one table: change n is the node /tables/<name>/<n>, numbered by ZooKeeper.
// Two watches are enough, whatever the size of the table: one of the change that is to come, one of
// the table itself, whose node is the base.  Nothing is taken from an event but that something has
// come: what is missing is read by its number, so nothing is missed over a lost connection.
// test/zookeeper/tables.test.ts holds it.

import type { TableEvent } from '../../store.ts'
import type { Look } from '../client/client.ts'
import { fromNode } from '../nodes/blob.ts'
import { type Base, readBase } from './base.ts'
import { fromBlob, type TableChange } from './change.ts'
import type { TableParts } from './parts.ts'
import type { Rows, Step } from './rows.ts'

/** Whoever reads a table. */
export interface TableReaderListener {
  /** Entries have changed. */
  tell(events: readonly TableEvent[]): void
  /**
   * All changes before number n are applied; undefined: the table was removed and has begun anew.
   */
  reached(n: number | undefined): void
  /** Rows of ours that a base has left out. */
  forgotten(steps: readonly Step[]): void
  /** ZooKeeper says that there may be changes to read: call `follow`. */
  stirred(): void
}

const AHEAD = 16
const DIGITS = 10
const NO_TABLE: Base = { n: 0, version: 0, birth: '' }

/** Reads a table's base, and then its log. */
export class TableReader {
  /** The table's node. */
  readonly path: string
  readonly rows: Rows
  /** Number of the change that is to come. */
  next = 0
  /** The base that was read. */
  base = NO_TABLE
  #last = new Map<string, number>() // number of the last change of each process
  readonly #parts: TableParts
  readonly #listener: TableReaderListener
  #isLoaded = false
  #watched = -1 // the change whose coming we shall be told of, in this session
  #isWatched = false // the table

  constructor(path: string, rows: Rows, parts: TableParts, listener: TableReaderListener) {
    this.path = path
    this.rows = rows
    this.#parts = parts
    this.#listener = listener
  }

  /** Whether everything is here that there was when it was last looked for. */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  /** The last change applied of each machine. */
  get last(): ReadonlyMap<string, number> {
    return this.#last
  }

  /** Whether a change of ours is among those that were applied. */
  has({ by, serial }: TableChange): boolean {
    return (this.#last.get(by) ?? -1) >= serial
  }

  /** Call it in a new session of ZooKeeper: nothing is watched there yet. */
  renewed(): void {
    this.#watched = -1
    this.#isWatched = false
  }

  /** Nobody waits for changes any more. */
  close(): void {
    const paths = this.#isWatched ? [this.path] : []
    if (this.#watched >= 0) paths.push(this.#pathOf(this.#watched))
    if (paths.length > 0) void this.#parts.zk.unwatch(...paths)
  }

  /** Takes in all there is. */
  async follow(): Promise<void> {
    if (!this.#isLoaded && !(await this.#begin())) return
    let count = 1
    let missed = -1
    for (;;) {
      if ((await this.#read(count)) === AHEAD) continue
      const { next } = this
      const [isThere, table] = await Promise.all([this.#isThere(next), this.#lookAt()])
      if (this.#isNew(table)) this.base = { ...NO_TABLE, birth: table!.birth }
      const isSame = (table?.birth ?? '') === this.base.birth
      const isMissing = !isThere && table !== undefined && table.made > next
      if (isSame && !isMissing) {
        this.base = { ...this.base, version: table?.version ?? 0 }
        if (!isThere) break
        count = AHEAD
      } else if (isSame && missed !== next) {
        missed = next // it may have come between the two looks
        count = 1
      } else {
        await this.#reload(table?.birth ?? '', isSame)
        count = AHEAD
      }
    }
    this.#isLoaded = true
  }

  /** Takes in the next change. */
  apply(change: TableChange): void {
    const { by, serial, steps, at } = change
    const n = this.next++
    this.#parts.counters.applied++
    if (!this.has(change)) {
      this.#last.set(by, serial)
      if (at === undefined || at === n) this.#listener.tell(this.rows.apply(n, steps))
    }
    this.#listener.reached(this.next)
  }

  // How many of the next changes were there.
  async #read(count: number): Promise<number> {
    const { zk } = this.#parts
    const paths = Array.from({ length: count }, (_, i) => this.#pathOf(this.next + i))
    const nodes = await Promise.all(paths.map(path => zk.get(path)))
    for (const [i, node] of nodes.entries()) {
      if (node === undefined) return i
      const path = paths[i]!
      this.apply(fromBlob(path, await fromNode(zk, path, this.next, node.data)))
    }
    return count
  }

  async #isThere(n: number): Promise<boolean> {
    const { zk } = this.#parts
    const path = this.#pathOf(n)
    if (this.#watched === n) return zk.exists(path)
    const isThere = await zk.exists(path, () => {
      if (this.#watched === n) this.#watched = -1
      this.#listener.stirred()
    })
    if (isThere) void zk.unwatch(path)
    else this.#watched = n
    return isThere
  }

  async #lookAt(): Promise<Look | undefined> {
    const { zk } = this.#parts
    if (this.#isWatched) return zk.look(this.path)
    const table = await zk.look(this.path, () => {
      this.#isWatched = false
      this.#listener.stirred()
    })
    this.#isWatched = true
    return table
  }

  // False: there is no table, and nothing to read; its coming will be told.
  async #begin(): Promise<boolean> {
    const table = await this.#lookAt()
    if (table === undefined) this.#isLoaded = true
    else await this.#reload(table.birth, false)
    return table !== undefined
  }

  // It was not there, and nothing of it can have been missed.
  #isNew(table: Look | undefined): boolean {
    return table?.version === 0 && this.base === NO_TABLE && this.next === 0
  }

  // Everything anew, from the base or from nothing.
  async #reload(birth: string, isSame: boolean): Promise<void> {
    const { zk, own, counters } = this.#parts
    const { n, version, last, lines } = await readBase(zk, this.path)
    if (isSame && n <= this.next) {
      counters.gaps++
      this.next++ // somebody else has removed it
      return
    }
    counters.reloads++
    const mine = [...own].flatMap(session => [...this.rows.of(session)])
    this.base = { n, version, birth }
    this.next = n
    this.#last = last
    this.#listener.tell(this.rows.load(lines))
    this.#listener.forgotten(mine.filter(({ key }) => this.rows.get(key) === undefined))
    this.#listener.reached(isSame ? n : undefined)
  }

  #pathOf(n: number): string {
    return `${this.path}/${String(n).padStart(DIGITS, '0')}`
  }
}
