// One program that is kept running: its process, what it prints, and when it is started again.
// processes.test.ts holds it.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Timer, within } from '../../core/clock.ts'
import type { ProcessOptions, Supervised, SupervisorParts } from './processes.ts'
import { ASK_MS, Backoff, PrintedLines } from './supervision.ts'

const SETPRIV = '/usr/bin/setpriv'

/** Started when it is made. */
export class Program implements Supervised {
  readonly #options: ProcessOptions
  readonly #parts: SupervisorParts
  readonly #gone: () => void
  #child: ChildProcess | null = null
  #ended: Promise<void> = Promise.resolve()
  #timer: Timer | null = null
  readonly #backoff = new Backoff()
  #startedMs = 0
  #starts = 0
  #isStopping = false
  #isAsked = false // to end, and to be started again

  /** `gone`: it was stopped, and has ended. */
  constructor(options: ProcessOptions, parts: SupervisorParts, gone: () => void) {
    this.#options = options
    this.#parts = parts
    this.#gone = gone
    this.#start()
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  get restarts(): number {
    return Math.max(0, this.#starts - 1)
  }

  restart(): void {
    if (this.#isStopping) return
    this.#isAsked = true
    if (this.#child === null) this.#again(0)
    else void this.#end()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#timer?.cancel()
    await this.#end()
    this.#gone()
  }

  letGo(): Promise<void> {
    return this.stop()
  }

  #start(): void {
    const { clock, counters } = this.#parts
    const [program, ...args] = commandOf(this.#options)
    this.#isAsked = false
    this.#starts++
    this.#startedMs = clock.now()
    counters.started.value++
    const env = { ...process.env, ...this.#options.env }
    // A group of its own: what it starts ends with it.
    const child = spawn(program!, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.#child = child
    const printed = new PrintedLines(this.#options.name, this.#parts)
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', printed.reader())
    this.#ended = new Promise(done => {
      child.on('error', error => {
        if (child.pid === undefined) this.#died(error.message, done)
      })
      child.on('exit', (code, signal) =>
        this.#died(signal === null ? `status ${code}` : `signal ${signal}`, done)
      )
    })
    this.#options.onStart?.()
  }

  #died(reason: string, done: () => void): void {
    if (this.#child !== null) signal(this.#child, 'SIGKILL') // what it left behind
    this.#child = null
    done()
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

  async #end(): Promise<void> {
    const child = this.#child
    if (child === null) return
    signal(child, 'SIGTERM')
    if (await within(this.#parts.clock, ASK_MS, this.#ended)) return
    signal(child, 'SIGKILL')
    await this.#ended
  }
}

// The kernel ends it when the agent's process is gone, however that went.
function commandOf({ command, netns }: ProcessOptions): string[] {
  const isLinux = process.platform === 'linux'
  const bound = isLinux && existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--'] : []
  const inside = netns === undefined ? [] : ['nsenter', `--net=${netns}`, '--']
  return [...inside, ...bound, ...command]
}

// To the whole group; it may be gone already.
function signal(child: ChildProcess, name: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    child.kill(name)
  }
}
