// A program that is kept running and outlives the agent: its process is written down where the next
// agent finds it, with the time of its start, and what it prints goes by a file. An adopted process
// is no child of ours, so that it has ended is seen by looking. outliving.test.ts holds it.

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Timer } from '../../core/clock.ts'
import { commandOf, environmentOf, inside, KeptProgram } from './kept-program.ts'
import { PID_FILE, startOf, startWritten, tailOf, textBetween } from './process-files.ts'
import type { ProcessOptions, SupervisorParts } from './processes.ts'
import { PrintedLines } from './supervision.ts'

const LOOK_MS = 250 // how long an end of an adopted one, or a line, may go unseen

// Written by the process itself before it becomes the program: it is never without.
const WRITE = 'cat /proc/$$/stat >"$1.new" && mv "$1.new" "$1" && shift && exec "$@"'

/** Adopted or started when it is made. */
export class OutlivingProgram extends KeptProgram {
  readonly #pidFile: string
  readonly #output: string
  readonly #print: (text: string) => void
  #adoptedStart: string | null = null // when an adopted process began; null: it is our child
  #looking: Timer | null = null
  #printed: number // how far the output is read

  /** `gone`: it was stopped, and has ended, or it was let be. */
  constructor(options: ProcessOptions, parts: SupervisorParts, gone: () => void) {
    super(options, parts, gone)
    this.#pidFile = join(options.outlives!, options.name + PID_FILE)
    this.#output = join(options.outlives!, `${options.name}.out`)
    this.#print = new PrintedLines(options.name, parts).reader()
    this.#printed = tailOf(this.#output)
    const running = startWritten(this.#pidFile)
    if (running === null) this.begin()
    else {
      this.#adoptedStart = running.start
      this.runs(running.pid)
    }
  }

  override async stop(): Promise<void> {
    await super.stop()
    this.#looking?.cancel() // of one that does not end
    for (const file of [this.#pidFile, this.#output]) rmSync(file, { force: true })
  }

  override async letGo(): Promise<void> {
    this.#looking?.cancel()
    this.letBe()
  }

  protected spawn(): ChildProcess {
    this.#adoptedStart = null
    const command = ['sh', '-c', WRITE, 'sh', this.#pidFile, ...commandOf(this.options)]
    const words = [...inside(this.options), ...command]
    const output = openSync(this.#output, 'a', 0o600)
    const child = spawn(words[0]!, words.slice(1), {
      env: environmentOf(this.options),
      stdio: ['ignore', output, output],
      detached: true
    })
    closeSync(output)
    child.unref()
    return child
  }

  protected override runs(pid: number | null): void {
    super.runs(pid)
    this.#lookLater()
  }

  protected override died(reason: string): void {
    this.#looking?.cancel()
    this.#read()
    super.died(reason)
  }

  #lookLater(): void {
    this.#looking = this.parts.clock.after(LOOK_MS, () => this.#look())
  }

  // Our own child is reaped by Node, which says how it ended.
  #look(): void {
    this.#read()
    const start = this.#adoptedStart
    const hasEnded = start !== null && this.pid !== null && startOf(this.pid) !== start
    if (hasEnded) this.died('an end that nobody saw')
    else this.#lookLater()
  }

  #read(): void {
    const { text, next } = textBetween(this.#output, this.#printed)
    this.#printed = next
    if (text !== '') this.#print(text)
  }
}
