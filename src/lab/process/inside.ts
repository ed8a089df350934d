// Our end of the helper process in a namespace (inside.mjs): a call is a line, so is its answer.
// test/lab/lib-self.test.ts holds it.

import { join } from 'node:path'
import { type Job, type JobOptions, LabError } from './process.ts'

type Spawn = (command: readonly string[], options?: JobOptions) => Job
type Answer = { readonly id: number; readonly result?: unknown; readonly error?: string }

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

const CALL_MS = 60_000
const program = join(import.meta.dirname, 'inside.mjs')
// It moves bytes and keeps few objects: a small heap keeps ten of them affordable.
const frugal = ['--max-semi-space-size=1', '--max-old-space-size=64']

/** A process within a namespace that does what it is asked (inside.mjs). */
export class Inside {
  readonly #job: Job
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0

  constructor(spawn: Spawn) {
    const command = [process.execPath, ...frugal, program]
    this.#job = spawn(command, { onLine: line => this.#answered(line) })
    this.#job.exited.then(() => {
      const error = new LabError(`the helper has ended: ${this.#job.output.slice(-500)}`)
      for (const waiting of this.#waiting.values()) waiting.reject(error)
    })
  }

  /** Whether it has not ended. */
  get running(): boolean {
    return this.#job.running
  }

  /** Its process id. */
  get pid(): number {
    return this.#job.pid
  }

  /** Asks it; rejects with its error, or when it does not answer in time. */
  call<T>(op: string, params: object = {}, timeoutMs = CALL_MS): Promise<T> {
    const id = ++this.#calls
    return new Promise<T>((resolve, reject) => {
      const settle = (done: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        done()
      }
      const fail = (error: Error): void => settle(() => reject(error))
      const timer = setTimeout(
        () => fail(new LabError(`${op}: no answer within ${timeoutMs} ms`)),
        timeoutMs
      )
      this.#waiting.set(id, { resolve: result => settle(() => resolve(result as T)), reject: fail })
      this.#job.write(`${JSON.stringify({ id, op, ...params })}\n`)
    })
  }

  #answered(line: string): void {
    const { id, result, error } = JSON.parse(line) as Answer
    const waiting = this.#waiting.get(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new LabError(error))
  }
}
