// Time is a service. Only SystemClock touches the machine's timers; tests and the deterministic
// world move a VirtualClock by hand. `now` is monotonic and for durations, `wall` is for people.

import { setImmediate as nextTurn } from 'node:timers'
import { fail } from './errors.ts'
import { token } from './token.ts'

/** A call that is to come. */
export interface Timer {
  /** Calls it off; nothing happens when it is over already. */
  cancel(): void
}

/** Time as a service: product code takes it as an argument, tests move it. */
export interface Clock {
  /** Monotonic milliseconds with a fraction; the zero means nothing. */
  now(): number
  /** Milliseconds since 1970, as the machine believes; it may jump. */
  wall(): number
  /** Calls `fire` once, after so many milliseconds. */
  after(delayMs: number, fire: () => void): Timer
  /** Runs `fire` in the next turn of the loop, after the sockets had theirs. */
  soon(fire: () => void): void
}
export const Clock = token<Clock>('clock')

/** Resolves after the delay. Use a Timer where the wait can be cut short. */
export const sleep = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise(done => {
    clock.after(delayMs, done)
  })

/** Waits for some work, but no longer than this; true when it was done.  Throws as it does. */
export async function within(clock: Clock, limitMs: number, work: unknown): Promise<boolean> {
  let timer: Timer | undefined
  const late = new Promise<false>(done => {
    timer = clock.after(limitMs, () => done(false))
  })
  try {
    return await Promise.race([Promise.resolve(work).then(() => true), late])
  } finally {
    timer?.cancel()
  }
}

// setTimeout fires at once beyond 2^31-1 ms (24 days); longer waits are made of several.
const TIMEOUT_MS_MAX = 0x7fffffff

/** The machine's time. */
export class SystemClock implements Clock {
  now(): number {
    return performance.now()
  }

  wall(): number {
    return Date.now()
  }

  after(delayMs: number, fire: () => void): Timer {
    const until = this.now() + delayMs
    let handle: NodeJS.Timeout
    const arm = (waitMs: number): void => {
      if (waitMs <= TIMEOUT_MS_MAX) handle = setTimeout(fire, Math.max(0, waitMs))
      else handle = setTimeout(() => arm(until - this.now()), TIMEOUT_MS_MAX)
    }
    arm(delayMs)
    return { cancel: () => clearTimeout(handle) }
  }

  soon(fire: () => void): void {
    nextTurn(fire)
  }
}

interface Deadline {
  readonly at: number
  readonly serial: number
  readonly fire: () => void
  /** Place in the heap; -1 when fired or cancelled. */
  index: number
}

/** More waiting timers than any test means: somebody forgets to cancel. */
const TIMERS_MAX = 1_000_000
/** More firings within one `advance` than any test means: a timer re-arms itself with no delay. */
const FIRINGS_MAX = 10_000_000

/** Time that moves only when told to. Equal deadlines fire in the order they were set. */
export class VirtualClock implements Clock {
  #now = 0
  #serial = 0
  readonly #wallStart: number
  readonly #heap: Deadline[] = []

  constructor(wallStart = 1_700_000_000_000) {
    this.#wallStart = wallStart
  }

  now(): number {
    return this.#now
  }

  wall(): number {
    return this.#wallStart + Math.floor(this.#now)
  }

  after(delayMs: number, fire: () => void): Timer {
    if (this.#heap.length >= TIMERS_MAX) throw fail('LIMIT', { what: 'timers', limit: TIMERS_MAX })
    const at = this.#now + Math.max(0, delayMs)
    const deadline = { at, serial: this.#serial++, fire, index: this.#heap.length }
    this.#heap.push(deadline)
    this.#up(deadline)
    return { cancel: () => this.#remove(deadline) }
  }

  soon(fire: () => void): void {
    this.after(0, fire)
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#heap.length
  }

  /** Moves to the next deadline and fires it. False when nothing is left to wait for. */
  step(): boolean {
    const next = this.#heap[0]
    if (next === undefined) return false
    this.#remove(next)
    this.#now = next.at
    next.fire()
    return true
  }

  /** Moves by `ms`, firing everything that falls due on the way. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (let firings = 0; this.#heap.length > 0 && this.#heap[0]!.at <= until; firings++) {
      if (firings >= FIRINGS_MAX) throw fail('LIMIT', { what: 'advance', limit: FIRINGS_MAX })
      this.step()
    }
    this.#now = until
  }

  #remove(deadline: Deadline): void {
    const { index } = deadline
    if (index < 0) return
    deadline.index = -1
    const last = this.#heap.pop()!
    if (last === deadline) return
    this.#place(last, index)
    this.#up(last)
    this.#down(last)
  }

  #up(deadline: Deadline): void {
    while (deadline.index > 0) {
      const parent = this.#heap[(deadline.index - 1) >> 1]!
      if (!before(deadline, parent)) return
      this.#swap(deadline, parent)
    }
  }

  #down(deadline: Deadline): void {
    for (;;) {
      const left = this.#heap[2 * deadline.index + 1]
      const right = this.#heap[2 * deadline.index + 2]
      const least = right !== undefined && before(right, left!) ? right : left
      if (least === undefined || !before(least, deadline)) return
      this.#swap(least, deadline)
    }
  }

  #swap(a: Deadline, b: Deadline): void {
    const index = a.index
    this.#place(a, b.index)
    this.#place(b, index)
  }

  #place(deadline: Deadline, index: number): void {
    deadline.index = index
    this.#heap[index] = deadline
  }
}

const before = (a: Deadline, b: Deadline): boolean =>
  a.at < b.at || (a.at === b.at && a.serial < b.serial)
