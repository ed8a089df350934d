// Programs that a control side keeps running: started again when they end, later each time; what
// they print goes to the log, bounded; they end with the agent, also when that is killed.

import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import { fail } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { token } from '../../core/token.ts'
import { Program } from './program.ts'

/** What is to be kept running. */
export interface ProcessOptions {
  /** For the log, and unique among those of the plugin that run. */
  readonly name: string
  /** The program and its arguments. */
  readonly command: readonly string[]
  /** Path of the network namespace it runs in; left out: that of the agent's process. */
  readonly netns?: string
  /** Variables beside our own. */
  readonly env?: Readonly<Record<string, string>>
  /** It has started, for the first time or again. */
  readonly onStart?: () => void
  /** It ended without being asked to; it will be started again. */
  readonly onExit?: (reason: string) => void
}

/** A program that is kept running. */
export interface Supervised {
  /** null while it does not run. */
  readonly pid: number | null
  /** How often it was started after it had ended. */
  readonly restarts: number
  /** Ends it, and starts it at once: it is to read its configuration anew. */
  restart(): void
  /** Ends it for good: asked first (SIGTERM), then killed. Resolves when it is gone. */
  stop(): Promise<void>
}

/** Programs that are kept running. */
export interface Processes {
  /** Throws EXISTS when one of that name is there already. */
  start(options: ProcessOptions): Supervised
}
/** Asks for them. */
export const Processes = token<Processes>('processes')

/** What is counted of programs. */
export interface SupervisorCounters {
  /** Starts. */
  readonly started: Counter
  /** Ends that nobody had asked for. */
  readonly ended: Counter
  /** Lines printed beyond what is logged. */
  readonly unlogged: Counter
}

/** Claims them; once for all plugins of a host. */
export const supervisorCounters = (counters: Counters): SupervisorCounters => ({
  started: counters.claim('processes.started', 'Starts of programs that plugins keep running'),
  ended: counters.claim('processes.ended', 'Ends of such programs that nobody had asked for'),
  unlogged: counters.claim('processes.unlogged', 'Lines they printed beyond what is logged')
})

/** What supervising is made of. */
export interface SupervisorParts {
  readonly clock: Clock
  readonly log: Log
  readonly counters: SupervisorCounters
}

/** The programs of one plugin on one host. */
export class Supervisor implements Processes {
  readonly #parts: SupervisorParts
  readonly #running = new Map<string, Program>()
  #isClosed = false

  constructor(parts: SupervisorParts) {
    this.#parts = parts
  }

  start(options: ProcessOptions): Supervised {
    const { name } = options
    if (this.#isClosed) throw new Error(`the agent ends: ${name} is not started`)
    if (this.#running.has(name)) throw fail('EXISTS', { kind: 'process', id: name })
    const program = new Program(options, this.#parts, () => this.#running.delete(name))
    this.#running.set(name, program)
    return program
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#running.values()].map(each => each.stop()))
  }
}
