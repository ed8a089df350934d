// Daemons that run and answer nobody: whoever started them sees nothing wrong. One that has not
// answered for so long is started again, as FRR's own watchfrr does. hangs.test.ts and
// test/lab/bgp-engine-days.test.ts hold it.

import type { Clock } from '../../../../src/control.ts'

/** As watchfrr: a bgpd that works off a full table may say nothing for a while. */
export const HUNG_AFTER_MS = 90_000

const PROCESSES_MAX = 4096

/** Since when processes have not answered. */
export class Hangs {
  readonly #clock: Clock
  /** A process that answers nobody for so long hangs. */
  readonly limitMs: number
  readonly #since = new Map<number, number>() // by pid

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock
    this.limitMs = limitMs
  }

  /** It answers. */
  answered(pid: number): void {
    this.#since.delete(pid)
  }

  /** It was asked then, and has not answered. True: it hangs, and is forgotten: end it. */
  silent(pid: number, askedMs: number): boolean {
    if (this.#since.size >= PROCESSES_MAX) this.#since.clear()
    const since = this.#since.get(pid) ?? askedMs
    this.#since.set(pid, since)
    const isHung = this.#clock.now() - since >= this.limitMs
    if (isHung) this.#since.delete(pid)
    return isHung
  }
}
