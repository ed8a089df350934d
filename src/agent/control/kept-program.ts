// What keeping a program running is, whoever it ends with: how it is asked to end, and when it is
// started again. How its process is made, found and watched is for those that derive from it.
// processes.test.ts and outliving.test.ts hold it.

import type { ChildProcess } from 'node:child_process'
import { type Timer, within } from '../../core/clock.ts'
import { reasonOf } from '../../core/errors.ts'
import type { ProcessOptions, Supervised, SupervisorParts } from './processes.ts'
import { RestartBackoff } from './supervision.ts'

const ASK_MS = 2000 // from SIGTERM to SIGKILL
// From SIGKILL until nobody waits any more: what sleeps in the kernel ends when that wakes it.
const KILL_MS = 5000

/** Runs once `begin`, or `runs` with what runs already, was called. */
export abstract class KeptProgram implements Supervised {
  /** What is kept running. */
  protected readonly options: ProcessOptions
  /** What supervising it takes. */
  protected readonly parts: SupervisorParts
  readonly #gone: () => void
  readonly #backoff = new RestartBackoff()
  #pid: number | null = null
  #ended: Promise<void> = Promise.resolve()
  #end: () => void = () => {}
  #timer: Timer | null = null // of the next start
  #startedMs = 0
  #starts = 0
  #isStopping = false
  #isAsked = false // to end, and to be started again

  /** `gone`: it was stopped or let be. */
  constructor(options: ProcessOptions, parts: SupervisorParts, gone: () => void) {
    this.options = options
    this.parts = parts
    this.#gone = gone
  }

  get pid(): number | null {
    return this.#pid
  }

  get restarts(): number {
    return Math.max(0, this.#starts - 1)
  }

  restart(): void {
    if (this.#isStopping) return
    this.#isAsked = true
    if (this.#pid === null) this.#beginIn(0)
    else void this.#kill()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#timer?.cancel()
    await this.#kill()
    this.#gone()
  }

  letGo(): Promise<void> {
    return this.stop()
  }

  /** Makes its process, in a group of its own: what it starts ends with it. */
  protected abstract spawn(): ChildProcess

  /** Starts it. */
  protected begin(): void {
    this.#isAsked = false
    this.#starts++
    this.parts.counters.started.value++
    const child = this.#spawned()
    if (child === null) return
    child.on('error', error => {
      if (child.pid === undefined) this.died(error.message)
    })
    child.on('exit', (code, signal) => {
      if (this.#pid !== child.pid) return // it was let be
      this.died(signal === null ? `status ${code}` : `signal ${signal}`)
    })
    this.runs(child.pid ?? null)
    this.options.onStart?.()
  }

  // A folder that is gone or full is no fault of the agent's, which must not end by it.
  #spawned(): ChildProcess | null {
    try {
      return this.spawn()
    } catch (error) {
      this.runs(null)
      this.died(reasonOf(error))
      return null
    }
  }

  /** It runs, as this process; null: it is about to be said why it does not. */
  protected runs(pid: number | null): void {
    this.#pid = pid
    this.#startedMs = this.parts.clock.now()
    this.#ended = new Promise(done => (this.#end = done))
  }

  /** It has ended. */
  protected died(reason: string): void {
    if (this.#pid !== null) signal(this.#pid, 'SIGKILL') // what it left behind
    this.#pid = null
    this.#end()
    if (this.#isStopping) return
    if (this.#isAsked) return this.#beginIn(0)
    const { clock, counters, log } = this.parts
    const inMs = this.#backoff.after(clock.now() - this.#startedMs)
    counters.ended.value++
    log.warn({ name: this.options.name, reason, inMs }, 'a program ended and is started again')
    this.options.onExit?.(reason)
    this.#beginIn(inMs)
  }

  /** It goes on without us. */
  protected letBe(): void {
    this.#isStopping = true
    this.#timer?.cancel()
    this.#pid = null
    this.#gone()
  }

  #beginIn(inMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.parts.clock.after(inMs, () => this.begin())
  }

  async #kill(): Promise<void> {
    const pid = this.#pid
    if (pid === null) return
    signal(pid, 'SIGTERM')
    const { clock, log } = this.parts
    if (await within(clock, ASK_MS, this.#ended)) return
    signal(pid, 'SIGKILL')
    if (await within(clock, KILL_MS, this.#ended)) return
    log.warn({ name: this.options.name, pid }, 'a program does not end though it was killed')
  }
}

/** The words before a command that have it run in a network namespace. */
export const inside = ({ netns }: ProcessOptions): string[] =>
  netns === undefined ? [] : ['nsenter', `--net=${netns}`, '--']

// Of ours: where programs, libraries and files are, language and time zone. Passwords of the stores
// may stand beside them, and who speaks with strangers is not to have them.
const PASSED = /^(PATH|LD_LIBRARY_PATH|HOME|TMPDIR|LANG|LC_[A-Z]+|TZ)$/

/** The environment it runs in. */
export const environmentOf = ({ env }: ProcessOptions): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED.test(name))),
  ...env
})

// As urgent as heartbeats: a limit of 5 for it is what the unit has.
const URGENT = 'chrt --fifo --pid 5 $$ 2>/dev/null; exec "$@"'

/** The program and its arguments; an urgent one asks for it before it becomes the program. */
export const commandOf = ({ command, isUrgent = false }: ProcessOptions): readonly string[] =>
  isUrgent ? ['sh', '-c', URGENT, 'sh', ...command] : command

// To the whole group, whose leader it is; it may be gone already.
function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, name)
  } catch {
    // Nobody is left in it.
  }
}
