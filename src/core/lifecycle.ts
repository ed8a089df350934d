// What starts must stop. Parts start in order; if one fails, those already up are stopped again.
// They stop in reverse, and one that fails or hangs does not keep the others from stopping.

import type { Clock, Timer } from './clock.ts'
import { fail, reasonOf } from './errors.ts'

/** Something that starts and stops. */
export interface Running {
  /** Resolves when it is up; an error ends the start of everything. */
  start?(): void | Promise<void>
  /** Resolves when it is down. Called also when `start` failed half-way. */
  stop?(): void | Promise<void>
}

interface Part extends Running {
  readonly name: string
}

const STOP_LIMIT_MS = 10_000

/** Starts parts in order and stops them in reverse. */
export class Lifecycle implements Running {
  readonly #clock: Clock
  readonly #stopLimitMs: number
  readonly #parts: Part[] = []
  readonly #up: Part[] = []

  constructor(clock: Clock, stopLimitMs = STOP_LIMIT_MS) {
    this.#clock = clock
    this.#stopLimitMs = stopLimitMs
  }

  /** Puts a part behind those that there are; the name is for errors. */
  add(name: string, running: Running): void {
    this.#parts.push({
      name,
      start: () => running.start?.(),
      stop: () => running.stop?.()
    })
  }

  async start(): Promise<void> {
    for (const part of this.#parts) {
      // Entered before it is up: a part that fails half-way has something to put away as well.
      this.#up.push(part)
      try {
        const started = part.start?.()
        if (started !== undefined) await started // who is up at once lets the rest be up at once
        if (!this.#up.includes(part)) return // stopped meanwhile
      } catch (error) {
        // The fault that ended the start is the one to report; those of the way back are not.
        await this.stop().catch(() => {})
        throw error
      }
    }
  }

  /** Stops all that is up. Throws at the end, naming every part that did not stop cleanly. */
  async stop(): Promise<void> {
    const faults: string[] = []
    for (let part = this.#up.pop(); part !== undefined; part = this.#up.pop())
      try {
        const stopped = part.stop?.()
        if (stopped !== undefined) await this.#inTime(part, stopped)
      } catch (error) {
        faults.push(`${part.name} (${reasonOf(error)})`)
      }
    if (faults.length > 0)
      throw fail('STOP_FAILED', { count: faults.length, parts: faults.join(', ') })
  }

  async #inTime(part: Part, stopped: Promise<void>): Promise<void> {
    let timer: Timer | undefined
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.after(this.#stopLimitMs, () =>
        reject(fail('STOP_TIMEOUT', { part: part.name, limitMs: this.#stopLimitMs }))
      )
    })
    try {
      await Promise.race([stopped, late])
    } finally {
      timer?.cancel()
    }
  }
}
