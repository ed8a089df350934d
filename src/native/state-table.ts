// The state table in native memory (native/addon/state/table.c), which the exchange's thread writes
// as well.  A call costs some 100 ns; nothing is allocated for one.  A negative answer is that of a
// table that was closed: it is empty and takes nothing. test/state/native-table.test.ts holds it.

import { KINDS_MAX, type StateTable } from '../state/table.ts'
import type { Timeouts } from '../state/timeouts.ts'
import { stateInfo, timeoutNames } from './abi.ts'
import { type Addon, check, loadAddon, type StateHandle } from './addon.ts'

/** What a table is made of. */
export interface NativeStateSettings {
  /** Records at most. */
  readonly capacity: number
  readonly timeouts: Timeouts
}

const KINDS = stateInfo.length // where the records by kind begin

const IDLE_MAX = 0xffffffff

/** The state table in native memory, which the exchange's thread writes as well. */
export class NativeStateTable implements StateTable {
  readonly capacity: number
  /** For the exchange, which holds the table for itself. */
  readonly handle: StateHandle
  readonly #addon: Addon
  readonly #info = new Float64Array(KINDS + KINDS_MAX)
  readonly #next = new Uint32Array(1)
  #lastId = 0
  #isOpen = true

  constructor({ capacity, timeouts }: NativeStateSettings) {
    this.capacity = capacity
    this.#addon = loadAddon()
    const opened = this.#addon.stateOpen(capacity, timeoutWords(timeouts))
    this.handle = check('the table of flow state', opened)
  }

  get size(): number {
    return this.#about(stateInfo.indexOf('size'))
  }
  get evicted(): number {
    return this.#about(stateInfo.indexOf('evicted'))
  }
  get untold(): number {
    return this.#about(stateInfo.indexOf('untold'))
  }
  /** Records refused for want of memory. */
  get refused(): number {
    return this.#about(stateInfo.indexOf('refused'))
  }
  /** Memory taken so far. */
  get bytes(): number {
    return this.#about(stateInfo.indexOf('bytes'))
  }
  get lastId(): number {
    return this.#lastId
  }
  get next(): number {
    return this.#next[0]!
  }
  count(kind: number): number {
    return kind < KINDS_MAX ? this.#about(KINDS + kind) : 0
  }

  heldBy(port: number): number {
    return Math.max(0, this.#addon.stateHeld(this.handle, port))
  }

  find(key: Int32Array, at = 0): number {
    return Math.max(0, this.#addon.stateFind(this.handle, key, at))
  }

  read(id: number, into: Int32Array, at = 0): boolean {
    return this.#addon.stateRead(this.handle, id, into, at) === 1
  }

  stamp(id: number): number {
    return Math.max(0, this.#addon.stateStamp(this.handle, id))
  }

  put(record: Int32Array, at = 0, idleMs = 0): number {
    const result = Math.max(0, this.#addon.statePut(this.handle, record, at, within(idleMs)))
    this.#lastId = result >>> 2
    return result & 3
  }

  note(handle: number, stamp: number, tcpFlags: number, idleMs: number): boolean {
    return this.#addon.stateNote(this.handle, handle, stamp, tcpFlags, within(idleMs)) === 1
  }

  remove(id: number, stamp: number): boolean {
    return this.#addon.stateRemove(this.handle, id, stamp) === 1
  }

  expire(into: Int32Array, max: number): number {
    return Math.max(0, this.#addon.stateExpire(this.handle, into, max))
  }

  scan(from: number, into: Int32Array, idleMs: Float64Array): number {
    this.#next[0] = 0
    return Math.max(0, this.#addon.stateScan(this.handle, from, into, idleMs, this.#next))
  }

  /** For tests: the table's clock stands at `ms` until it is moved again. */
  stopClock(ms: number): void {
    check('the clock of the table', this.#addon.stateStopClock(this.handle, ms))
  }

  /** Nothing is in it for us from now on; an exchange that holds it goes on with it. */
  close(): void {
    this.#isOpen = false
    this.#addon.stateClose(this.handle)
  }

  #about(at: number): number {
    if (!this.#isOpen) return 0
    this.#addon.stateInfo(this.handle, this.#info)
    return this.#info[at]!
  }
}

const within = (idleMs: number): number => Math.min(Math.max(0, idleMs), IDLE_MAX)

function timeoutWords(of: Timeouts): Uint32Array {
  const words = new Uint32Array(timeoutNames.length + KINDS_MAX)
  words.set(timeoutNames.map(name => of[name]))
  words.set(of.kindsS, timeoutNames.length)
  return words
}
