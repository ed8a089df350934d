// A second process on a store, as a test sees it; what it does is in other.ts.

import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Order } from './other.ts'

export class Other {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  /** The path of a file, or the options of a store on ZooKeeper. */
  constructor(place: string | object) {
    const told = typeof place === 'string' ? place : JSON.stringify(place)
    const script = join(import.meta.dirname, 'other.ts')
    this.#child = spawn(process.execPath, [script, told], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  async answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next()
    assert.ok(done !== true, 'the other process ended')
    return JSON.parse(value)
  }

  tell(order: Order): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(order)}\n`)
    return this.answer()
  }

  /** It is there and does nothing. */
  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}
