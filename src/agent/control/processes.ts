// Programs that a control side keeps running: started again when they end, later each time; what
// they print goes to the log, bounded. They end with the agent, also when that is killed; those
// that are asked to outlive it go on, and the next agent takes them over.

import type { Clock } from '../../core/clock.ts'
import type { Counter, Counters } from '../../core/counters.ts'
import { fail } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { token } from '../../core/token.ts'
import { OutlivingProgram } from './outliving.ts'
import { Program } from './program.ts'

/** What is to be kept running. */
export interface ProcessOptions {
  /** For the log, and unique among those of the plugin that run. */
  readonly name: string
  /** The program and its arguments. */
  readonly command: readonly string[]
  /** Path of the network namespace it runs in; left out: that of the agent's process. */
  readonly netns?: string
  /** Variables beside PATH, language and time zone: of ours it is given no others. */
  readonly env?: Readonly<Record<string, string>>
  /** It runs before ordinary programs (SCHED_FIFO) where the agent may have it so. */
  readonly isUrgent?: boolean
  /**
   * A folder, which is there: the program outlives the agent, and `<name>.pid` in it says which
   * process it is, to whoever starts it next: if it still runs it is taken over as it is. What it
   * prints goes by `<name>.out`, which is kept short as long as an agent is there.
   */
  readonly outlives?: string
  /** It has started, for the first time or again; one that is taken over has not. */
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
  /**
   * Ends it for good: asked first (SIGTERM), then killed. Resolves when it is gone; where it is not
   * though it was killed, after a bound.
   */
  stop(): Promise<void>
  /** The agent lets it be: it goes on if it outlives the agent, else it is stopped. */
  letGo(): Promise<void>
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
  readonly #running = new Map<string, Program | OutlivingProgram>()
  #isClosed = false

  constructor(parts: SupervisorParts) {
    this.#parts = parts
  }

  start(options: ProcessOptions): Supervised {
    const { name } = options
    if (this.#isClosed) throw new Error(`the agent ends: ${name} is not started`)
    if (this.#running.has(name)) throw fail('EXISTS', { kind: 'process', id: name })
    const Kind = options.outlives === undefined ? Program : OutlivingProgram
    const program = new Kind(options, this.#parts, () => this.#running.delete(name))
    this.#running.set(name, program)
    return program
  }

  /** Ends all of them, but for those that outlive us: these are let go. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#running.values()].map(each => each.letGo()))
  }
}
