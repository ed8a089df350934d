// Saves what other hosts gave of a port that has come here.  A record is saved where it changes;
// one that only arrives with its port would be lost when this agent ends before the connection
// speaks again, for the host before forgets it (custody.ts).  test/state/moves.test.ts holds it.

import type { Clock, Timer } from '../../core/clock.ts'
import { RECORD_WORDS, RecordWord } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'
import type { StateSaver } from './record-use.ts'

/** What `MovedState` is given. */
export interface MovedStateParts {
  readonly table: StateTable
  /** null: nothing is kept. */
  readonly saver: StateSaver | null
  readonly clock: Clock
}

// At once, and again when the host before has told what it saw last (custody.ts).
const LOOKS_MS = [0, 4000, 15_000]
// The saver has room for some thousand records at a time, and the disk for some megabytes a second.
const SLICE = 256
const PAUSE_MS = 2

/** Saves what other hosts gave of ports that have come here. */
export class MovedState {
  readonly #parts: MovedStateParts
  readonly #records = new Int32Array(SLICE * RECORD_WORDS)
  readonly #idleMs = new Float64Array(SLICE)
  readonly #wanted = new Set<number>() // port numbers that a next look is for
  #looking: ReadonlySet<number> = new Set()
  #cursor = 0 // 0: no look is under way
  readonly #timers = new Map<number, Timer[]>()
  #timer: Timer | null = null

  constructor(parts: MovedStateParts) {
    this.#parts = parts
  }

  /**
   * A port (its number) is active here, and peers were asked for the state of its flows: what they
   * give is saved at once, and again after 4 and 15 s.
   */
  came(port: number): void {
    if (this.#parts.saver === null) return
    this.gone(port)
    const { clock } = this.#parts
    const timers = LOOKS_MS.map(afterMs => clock.after(afterMs, () => this.#want(port)))
    this.#timers.set(port, timers)
  }

  /** A port (its number) is bound elsewhere, or nowhere: nothing more of it is saved. */
  gone(port: number): void {
    for (const timer of this.#timers.get(port) ?? []) timer.cancel()
    this.#timers.delete(port)
    this.#wanted.delete(port)
  }

  /** Stops permanently: nothing more is saved. */
  close(): void {
    for (const port of [...this.#timers.keys()]) this.gone(port)
    this.#timer?.cancel()
    this.#timer = null
  }

  #want(port: number): void {
    this.#wanted.add(port)
    this.#timer ??= this.#parts.clock.after(PAUSE_MS, () => this.#turn())
  }

  // One look through the table for all ports that want one.
  #turn(): void {
    if (this.#cursor === 0) {
      this.#looking = new Set(this.#wanted)
      this.#wanted.clear()
      this.#cursor = 1
    }
    this.#slice()
    const goesOn = this.#cursor !== 0 || this.#wanted.size > 0
    this.#timer = goesOn ? this.#parts.clock.after(PAUSE_MS, () => this.#turn()) : null
  }

  #slice(): void {
    const { table, saver } = this.#parts
    const n = table.scan(this.#cursor, this.#records, this.#idleMs)
    this.#cursor = table.next
    for (let i = 0; i < n; i++) {
      const at = i * RECORD_WORDS
      const ingress = this.#records[at + RecordWord.ingress]!
      const egress = this.#records[at + RecordWord.egress]!
      if (this.#looking.has(ingress) || this.#looking.has(egress))
        saver?.add(this.#records, at, this.#idleMs[i]!)
    }
  }
}
