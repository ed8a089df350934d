// A program that is kept running and outlives the agent: its process is written down where the next
// agent finds it, with the time of its start, and what it prints goes by a file. An adopted process
// is no child of ours, so that it has ended is seen by looking. outliving.test.ts holds it.

import { spawn } from 'node:child_process'
import { closeSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Timer, within } from '../../core/clock.ts'
import { startOf, startWritten, tailOf, textBetween } from './process-files.ts'
import type { ProcessOptions, Supervised, SupervisorParts } from './processes.ts'
import { ASK_MS, Backoff, PrintedLines } from './supervision.ts'

const LOOK_MS = 250 // how long an end of an adopted one, or a line, may go unseen

// Written by the process itself before it becomes the program: it is never without.
const WRITE = 'cat /proc/$$/stat >"$1.new" && mv "$1.new" "$1" && shift && exec "$@"'

/** Adopted or started when it is made. */
export class OutlivingProgram implements Supervised {
  readonly #options: ProcessOptions
  readonly #parts: SupervisorParts
  readonly #gone: () => void
  readonly #pidFile: string
  readonly #output: string
  readonly #print: (text: string) => void
  readonly #backoff = new Backoff()
  #process: { readonly pid: number; readonly start: string | null } | null = null
  #ended: Promise<void> = Promise.resolve()
  #end: (() => void) | null = null
  #timer: Timer | null = null // of the next look, or of the next start
  #printed = 0 // how far the output is read
  #startedMs = 0
  #starts = 0
  #isStopping = false
  #isAsked = false // to end, and to be started again

  /** `gone`: it was stopped, and has ended. */
  constructor(options: ProcessOptions, parts: SupervisorParts, gone: () => void) {
    this.#options = options
    this.#parts = parts
    this.#gone = gone
    this.#pidFile = join(options.outlives!, `${options.name}.pid`)
    this.#output = join(options.outlives!, `${options.name}.out`)
    this.#print = new PrintedLines(options.name, parts).reader()
    this.#printed = tailOf(this.#output)
    const running = startWritten(this.#pidFile)
    if (running === null) this.#start()
    else this.#follow(running)
  }

  get pid(): number | null {
    return this.#process?.pid ?? null
  }

  get restarts(): number {
    return Math.max(0, this.#starts - 1)
  }

  restart(): void {
    if (this.#isStopping) return
    this.#isAsked = true
    if (this.#process === null) this.#again(0)
    else void this.#kill()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    if (this.#process === null) this.#timer?.cancel()
    await this.#kill()
    for (const file of [this.#pidFile, this.#output]) rmSync(file, { force: true })
    this.#gone()
  }

  async letGo(): Promise<void> {
    this.#isStopping = true
    this.#timer?.cancel()
    this.#process = null
    this.#gone()
  }

  #start(): void {
    this.#isAsked = false
    this.#starts++
    this.#parts.counters.started.value++
    const { command, netns, env } = this.#options
    const inside = netns === undefined ? [] : ['nsenter', `--net=${netns}`, '--']
    const [program, ...args] = [...inside, 'sh', '-c', WRITE, 'sh', this.#pidFile, ...command]
    const output = openSync(this.#output, 'a', 0o600)
    const child = spawn(program!, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', output, output],
      detached: true
    })
    closeSync(output)
    child.unref()
    child.on('error', error => {
      if (child.pid === undefined) this.#died(error.message)
    })
    child.on('exit', (code, signal) => {
      if (this.#process?.pid !== child.pid) return
      this.#died(signal === null ? `status ${code}` : `signal ${signal}`)
    })
    this.#follow({ pid: child.pid ?? -1, start: null })
    this.#options.onStart?.()
  }

  #follow(process: { pid: number; start: string | null }): void {
    this.#process = process
    this.#startedMs = this.#parts.clock.now()
    this.#ended = new Promise(done => (this.#end = done))
    this.#lookLater()
  }

  #lookLater(): void {
    this.#timer = this.#parts.clock.after(LOOK_MS, () => this.#look())
  }

  // Our own child is reaped by Node, which says how it ended.
  #look(): void {
    this.#read()
    const { pid, start } = this.#process!
    if (start !== null && startOf(pid) !== start) this.#died('an end that nobody saw')
    else this.#lookLater()
  }

  #read(): void {
    const { text, next } = textBetween(this.#output, this.#printed)
    this.#printed = next
    if (text !== '') this.#print(text)
  }

  #died(reason: string): void {
    this.#timer?.cancel()
    this.#read()
    if (this.#process !== null) signal(this.#process.pid, 'SIGKILL') // what it left behind
    this.#process = null
    this.#end?.()
    if (this.#isStopping) return
    if (this.#isAsked) return this.#again(0)
    const { clock, counters, log } = this.#parts
    const inMs = this.#backoff.after(clock.now() - this.#startedMs)
    counters.ended.value++
    log.warn({ name: this.#options.name, reason, inMs }, 'a program ended and is started again')
    this.#options.onExit?.(reason)
    this.#again(inMs)
  }

  #again(inMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.after(inMs, () => this.#start())
  }

  async #kill(): Promise<void> {
    if (this.#process === null) return
    const { pid } = this.#process
    signal(pid, 'SIGTERM')
    if (await within(this.#parts.clock, ASK_MS, this.#ended)) return
    signal(pid, 'SIGKILL')
    await this.#ended
  }
}

// To the whole group, whose leader it is; it may be gone already.
function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  if (pid <= 0) return
  try {
    process.kill(-pid, name)
  } catch {
    // Nobody is left in it.
  }
}
