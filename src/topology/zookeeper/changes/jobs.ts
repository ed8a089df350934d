// The changes that wait to be made, in their order.  One that is not patient is given up when there
// is no connection for long; it stays in its place until that is reached, for a change that is
// under way may be of it. test/zookeeper/contract.test.ts holds it.

import type { Clock, Timer } from '../../../core/clock.ts'
import { fail } from '../../../core/errors.ts'

/** A write that waits for its turn. */
export interface Job {
  /** Makes the change on the copy; may run more than once. */
  readonly run: () => unknown
  /** It was appended; with what `run` gave. */
  readonly done: (result: unknown) => void
  /** It was refused, or its patience is over. */
  readonly failed: (error: unknown) => void
  /** `done` or `failed` was called. */
  isSettled: boolean
  /** How often its patience was renewed. */
  renewals: number
  timer: Timer | undefined
}

/** What a write came to: what `run` gave, or why it was refused. */
export type Outcome = { readonly result: unknown } | { readonly error: unknown }

/** How long a change that is not patient waits for a connection. */
export const PATIENCE_MS = 3_000
/** How often its patience is renewed while connections come and go, or answers are slow. */
const RENEWALS_MAX = 5
const JOBS_MAX = 65_536

/** Writes that wait, in order. */
export class Jobs {
  readonly #clock: Clock
  readonly #mayWait: () => boolean
  readonly #unavailable: () => Error
  readonly #jobs: Job[] = []

  /** `mayWait`: a connection is there, or was a moment ago; `unavailable` says why not. */
  constructor(clock: Clock, mayWait: () => boolean, unavailable: () => Error) {
    this.#clock = clock
    this.#mayWait = mayWait
    this.#unavailable = unavailable
  }

  /** Writes that wait. */
  get length(): number {
    return this.#jobs.length
  }

  /** Puts a write at the end; rejects with LIMIT when too many wait. */
  add<T>(run: () => T, isPatient: boolean): Promise<T> {
    return new Promise((done, failed) => {
      if (this.#jobs.length >= JOBS_MAX)
        throw fail('LIMIT', { what: 'the queue of writes to the store', limit: JOBS_MAX })
      const resolve = done as Job['done']
      const job: Job = {
        run,
        done: resolve,
        failed,
        isSettled: false,
        renewals: 0,
        timer: undefined
      }
      if (!isPatient) this.#arm(job)
      this.#jobs.push(job)
    })
  }

  /** The first `count` of them, which stay in the queue. */
  first(count: number): readonly Job[] {
    return this.#jobs.slice(0, count)
  }

  /** Takes the first of them out and settles each with its outcome. */
  settle(outcomes: readonly Outcome[]): void {
    const jobs = this.#jobs.splice(0, outcomes.length)
    for (const [i, job] of jobs.entries()) settle(job, outcomes[i]!)
  }

  /** Takes all of them out; each fails with this error. */
  failAll(error: Error): void {
    for (const job of this.#jobs.splice(0)) settle(job, { error })
  }

  #arm(job: Job): void {
    job.timer = this.#clock.after(PATIENCE_MS, () => {
      if (this.#mayWait() && job.renewals++ < RENEWALS_MAX) this.#arm(job)
      else settle(job, { error: this.#unavailable() })
    })
  }
}

function settle(job: Job, outcome: Outcome): void {
  if (job.isSettled) return
  job.isSettled = true
  job.timer?.cancel()
  if ('error' in outcome) job.failed(outcome.error)
  else job.done(outcome.result)
}
