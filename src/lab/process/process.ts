// Starting other programs, always with a bound: `run` for those that end by themselves, Job for
// those that run until told otherwise. A Job keeps the tail of what it printed, so that a test
// that fails can say why. test/lab/lib-self.test.ts holds it.

import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** What went wrong in the lab itself, as against in what is tested with it. */
export class LabError extends Error {
  override readonly name = 'LabError'
}

/** How a command is run. */
export interface RunOptions {
  /** Written to the program, and then its input ends. */
  readonly input?: string
  /** It is killed then, and the run fails. */
  readonly timeoutMs?: number
  /** Variables beside our own. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: ours. */
  readonly cwd?: string
}

/** What a command said. */
export interface RunResult {
  /** -1 when a signal ended it. */
  readonly status: number
  /** Standard output. */
  readonly stdout: string
  /** Standard error. */
  readonly stderr: string
}

const RUN_MS = 60_000 // for a program that never ends, on a machine that does much else
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** Runs a program to its end; only one that does not start or does not end is an error. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { timeoutMs = RUN_MS } = options
  return new Promise((resolve, reject) => {
    const child = start(command, options)
    const stdout = collect(child.stdout, OUTPUT_BYTES_MAX)
    const stderr = collect(child.stderr, OUTPUT_BYTES_MAX)
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      const tail = `${stdout.text()}${stderr.text()}`.slice(-400)
      reject(new LabError(`${command.join(' ')} did not end within ${timeoutMs} ms: ${tail}`))
    }, timeoutMs)
    child.on('error', error => {
      clearTimeout(timer)
      reject(new LabError(`${command[0]} does not start: ${error.message}`))
    })
    child.on('close', status => {
      clearTimeout(timer)
      resolve({ status: status ?? -1, stdout: stdout.text(), stderr: stderr.text() })
    })
    child.stdin?.on('error', () => {}) // it may end before it has read all
    child.stdin?.end(options.input ?? '')
  })
}

/** The same for a program that must succeed. */
export async function must(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await run(command, options)
  if (status === 0) return stdout
  const said = (stderr.trim() || stdout.trim()).slice(0, 2000)
  const given = options.input === undefined ? '' : `\n${options.input.slice(0, 2000)}`
  throw new LabError(`${command.join(' ')}: status ${status}: ${said}${given}`)
}

/** How a process ended. */
export interface Exit {
  /** null: a signal ended it. */
  readonly status: number | null
  /** null: it ended of itself. */
  readonly signal: NodeJS.Signals | null
}

/** How a command is started that goes on. */
export interface JobOptions extends Omit<RunOptions, 'timeoutMs'> {
  /** Called with each whole line of standard output. */
  readonly onLine?: (line: string) => void
}

const TAIL_BYTES = 256 * 1024
const KILL_MS = 10_000

/** A program that goes on: an agent, a server, a capture. */
export class Job {
  /** For messages. */
  readonly command: string
  /** Resolves when it has ended. */
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #stdout: Collected
  readonly #stderr: Collected
  #exit: Exit | undefined

  constructor(command: readonly string[], options: JobOptions = {}) {
    this.command = command.join(' ')
    this.#child = start(command, options)
    this.#stdout = collect(this.#child.stdout, TAIL_BYTES, options.onLine)
    this.#stderr = collect(this.#child.stderr, TAIL_BYTES)
    this.#child.stdin?.on('error', () => {})
    if (options.input !== undefined) this.#child.stdin?.write(options.input)
    this.exited = new Promise(resolve => {
      const end = (exit: Exit): void => {
        this.#exit ??= exit
        resolve(this.#exit)
      }
      this.#child.on('error', () => end({ status: 127, signal: null }))
      this.#child.on('close', (status, signal) => end({ status, signal }))
    })
  }

  /** Of the program itself: entering a namespace replaces no process. */
  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Whether it has not. */
  get running(): boolean {
    return this.#exit === undefined
  }

  /** The end of what it printed, both outputs. */
  get output(): string {
    return this.#stdout.text() + this.#stderr.text()
  }

  /** What it has said so far. */
  get stdout(): string {
    return this.#stdout.text()
  }

  /** Writes to its standard input. */
  write(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** Sends a signal, unless it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal)
  }

  /** Waits until it has printed something that matches. */
  async waitFor(pattern: RegExp, timeoutMs = RUN_MS): Promise<RegExpExecArray> {
    const until = performance.now() + timeoutMs
    for (;;) {
      const match = pattern.exec(this.output)
      if (match !== null) return match
      if (!this.running) throw this.#fault(`ended before it printed ${pattern}`)
      if (performance.now() > until) throw this.#fault(`has not printed ${pattern}`)
      await sleep(2)
    }
  }

  /** Asks it to end, and makes it end if it does not. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = KILL_MS): Promise<Exit> {
    this.signal(signal)
    const timer = setTimeout(() => this.signal('SIGKILL'), timeoutMs)
    const exit = await this.exited
    clearTimeout(timer)
    return exit
  }

  /** For the way out of the process, where nothing can be waited for. */
  killSync(): void {
    this.signal('SIGKILL')
  }

  /** Lets our process end although this one still runs. */
  unref(): void {
    this.#child.unref()
    for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr])
      (pipe as { unref?: () => void } | null)?.unref?.()
  }

  #fault(what: string): LabError {
    return new LabError(`${this.command} ${what}; it printed: ${this.output.slice(-1000)}`)
  }
}

function start(command: readonly string[], options: Omit<RunOptions, 'timeoutMs'>): ChildProcess {
  const [file, ...args] = command
  if (file === undefined) throw new LabError('an empty command')
  return spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd })
  })
}

interface Collected {
  text(): string
}

// Keeps the last bytes; a program that never stops talking must not fill our memory.
function collect(
  pipe: NodeJS.ReadableStream | null,
  bytesMax: number,
  onLine?: (line: string) => void
): Collected {
  let text = ''
  let rest = ''
  pipe?.setEncoding('utf8')
  pipe?.on('data', (chunk: string) => {
    text += chunk
    if (text.length > 2 * bytesMax) text = text.slice(-bytesMax)
    if (onLine === undefined) return
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) onLine(line)
  })
  return { text: () => text }
}
