// Crowds of long-lived TCP connections, and short ones by the thousand (lab/crowd.c, calls.c).
// Both ends of a crowd keep account; what a crowd has gone through is told from both together.
// test/lab/lib-self.test.ts holds it.

import { getSystemErrorName } from 'node:util'
import type { Namespace } from '../process/namespace.ts'
import type { Job } from '../process/process.ts'
import { LabError } from '../process/process.ts'
import { tool } from './traffic.ts'

/** Which side sends. */
export type Talker = 'client' | 'server'

/** What a crowd of connections is like. */
export interface CrowdOptions {
  readonly server: CrowdServer
  /** Address to connect to. */
  readonly to: string
  /** Which side sends. */
  readonly speaks: Talker
  /** Connections. */
  readonly count: number
  /** Time between two records of a connection. */
  readonly everyMs?: number
  /** Connections opened a second. */
  readonly perSecond?: number
}

/** What connects, and to what. */
export interface ClientOptions
  extends Required<Pick<CrowdOptions, 'to' | 'speaks' | 'count' | 'everyMs' | 'perSecond'>> {
  /** Where the server listens. */
  readonly port: number
  /** Its number at the server. */
  readonly group: number
}

/** What became of a crowd since the last mark. */
export interface CrowdReport {
  /** Connections that were opened. */
  readonly total: number
  /** Both ends open, every byte right, and bytes still coming. */
  readonly survived: number
  /** The longest silence of each that survived, ascending. */
  readonly gapsMs: readonly number[]
  /** Of those that did not. */
  readonly faults: readonly string[]
}

/** What became of short connections. */
export interface CallsReport {
  /** Connections that were to be made. */
  readonly connections: number
  /** Of them, those that went well. */
  readonly done: number
  /** Of them, those that did not. */
  readonly failed: number
  /** SYNs sent again. */
  readonly synRetransmits: number
  /** That took a second and more to connect. */
  readonly slow: number
  /** Segments sent again. */
  readonly retransmits: number
  /** Half were connected within so many microseconds. */
  readonly connectUsP50: number
  /** 99 of 100 were. */
  readonly connectUsP99: number
}

interface End {
  readonly state: number
  readonly gapMs: number
  readonly silentMs: number
  readonly bytes: number
}

const PORT = 9000
const OPEN_MS = 60_000
const REPORT_MS = 60_000
// A record comes every 40 ms; silence of this is no longer a matter of waiting for one.
const SILENT_MS_MAX = 1000
const STATES = ['open', 'closed', 'wrong bytes']
const stateText = (state: number): string =>
  state < 0 ? getSystemErrorName(state) : (STATES[state] ?? `state ${state}`)
const notOpen = (state: number): string => (state === 0 ? 'nobody answers' : stateText(state))

/** A process at one end that answers questions by lines. */
export class CrowdEnd {
  readonly #job: Job
  readonly #waiting: { readonly answered: (line: string) => void; readonly failed: () => void }[] =
    []

  constructor(machine: Namespace, command: readonly string[]) {
    this.#job = machine.spawn(command, {
      onLine: line => {
        if (line.startsWith('{')) this.#waiting.shift()?.answered(line)
      }
    })
    void this.#job.exited.then(() => {
      for (const { failed } of this.#waiting.splice(0)) failed()
    })
  }

  /** Connects; resolves when all are open, an error says why some are not. */
  static async open(machine: Namespace, of: ClientOptions): Promise<CrowdEnd> {
    const { to, port, group, speaks, count, everyMs, perSecond } = of
    const client = new CrowdEnd(machine, [
      ...[await tool('crowd'), '--to', to, '--port', `${port}`, '--group', `${group}`],
      ...['--speaks', speaks, '--count', `${count}`, '--every-ms', `${everyMs}`],
      ...['--per-s', `${perSecond}`]
    ])
    const { failed } = await client.answer<{ failed: number[] }>(OPEN_MS)
    if (failed.length === 0) return client
    await client.stop()
    const why = [...new Set(failed.map(notOpen))].join(', ')
    const some = `${failed.length} of ${count} connections from ${machine.name} to ${to}`
    throw new LabError(`${some} do not open: ${why}`)
  }

  /** Resolves when it listens. */
  ready(): Promise<unknown> {
    return this.#job.waitFor(/ready/)
  }

  /** The next line it says, as JSON. */
  answer<T>(timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const failed = (): void => {
        clearTimeout(timer)
        reject(new LabError(`a crowd is silent: ${this.#job.output}`))
      }
      const timer = setTimeout(failed, timeoutMs)
      const answered = (line: string): void => {
        clearTimeout(timer)
        resolve(JSON.parse(line) as T)
      }
      if (this.#job.running) this.#waiting.push({ answered, failed })
      else failed()
    })
  }

  /** Counts anew from now on. */
  mark(): void {
    this.#job.write('mark\n')
  }

  /** The connections of a group, by number. */
  async report(group: number): Promise<Map<number, End>> {
    this.#job.write(`report ${group}\n`)
    const { connections } = await this.answer<{ connections: number[][] }>(REPORT_MS)
    return new Map(
      connections.map(([id, state, gapMs, silentMs, bytes]) => [
        id!,
        { state: state!, gapMs: gapMs!, silentMs: silentMs!, bytes: bytes! }
      ])
    )
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#job.stop('SIGKILL')
  }
}

/** The end that crowds connect to. */
export class CrowdServer {
  readonly end: CrowdEnd
  /** Where it listens. */
  readonly port: number
  #groups = 0

  /** Starts it; resolves when it listens. */
  static async start(machine: Namespace, port = PORT): Promise<CrowdServer> {
    const command = [await tool('crowd'), '--port', `${port}`]
    const server = new CrowdServer(new CrowdEnd(machine, command), port)
    await server.end.ready()
    return server
  }

  private constructor(end: CrowdEnd, port: number) {
    this.end = end
    this.port = port
  }

  /** A number for one more crowd. */
  nextGroup(): number {
    return ++this.#groups
  }
}

/** Many connections between two machines, each checked byte by byte. */
export class Crowd {
  readonly #options: CrowdOptions
  readonly #client: CrowdEnd
  readonly #group: number

  /** Resolves when all are open; an error when one could not be opened. */
  static async open(from: Namespace, options: CrowdOptions): Promise<Crowd> {
    const { server, to, speaks, count, everyMs = 40, perSecond = 1000 } = options
    const group = server.nextGroup()
    const shape = { to, port: server.port, group, speaks, count, everyMs, perSecond }
    return new Crowd(options, await CrowdEnd.open(from, shape), group)
  }

  private constructor(options: CrowdOptions, client: CrowdEnd, group: number) {
    this.#options = options
    this.#client = client
    this.#group = group
  }

  /** Silences count from now on. */
  mark(): void {
    this.#client.mark()
    this.#options.server.end.mark()
  }

  /** What became of them since the last mark. */
  async report(): Promise<CrowdReport> {
    const { server, speaks, count } = this.#options
    const [here, there] = await Promise.all([
      this.#client.report(this.#group),
      server.end.report(this.#group)
    ])
    const listeners = speaks === 'client' ? there : here
    const gapsMs: number[] = []
    const faults: string[] = []
    for (let id = 0; id < count; id++) {
      const fault = faultOf(here.get(id), there.get(id), listeners.get(id))
      if (fault === undefined) gapsMs.push(listeners.get(id)!.gapMs)
      else faults.push(fault)
    }
    gapsMs.sort((a, b) => a - b)
    return { total: count, survived: gapsMs.length, gapsMs, faults }
  }

  /** Ends the client; the connections break. */
  async close(): Promise<void> {
    await this.#client.stop()
  }
}

function faultOf(here?: End, there?: End, listener?: End): string | undefined {
  if (here === undefined || there === undefined || listener === undefined) return 'missing'
  if (here.state !== 0) return `client: ${stateText(here.state)}`
  if (there.state !== 0) return `server: ${stateText(there.state)}`
  if (listener.silentMs > SILENT_MS_MAX) return `silent since ${listener.silentMs.toFixed(0)} ms`
  return undefined
}

/** Short connections, one after the other. */
export interface Calls {
  /** The server's. */
  readonly port: number
  /** How many. */
  readonly count: number
  /** How many a second. */
  readonly perSecond: number
  /** No more are under way at a time. */
  readonly atOnce?: number | undefined
  /** When none has got any further for so long, those that are left have failed; 20. */
  readonly patienceS?: number | undefined
}

/** Connect, ask, be answered, close: so many a second. */
export async function call(from: Namespace, to: string, calls: Calls): Promise<CallsReport> {
  const { port, count, perSecond, atOnce, patienceS = 20 } = calls
  const shape = ['--count', `${count}`, '--per-s', `${perSecond}`, '--patience-s', `${patienceS}`]
  if (atOnce !== undefined) shape.push('--at-once', `${atOnce}`)
  const command = [await tool('calls'), '--to', to, '--port', `${port}`, ...shape]
  const timeoutMs = (count / perSecond) * 2000 + 40_000
  return JSON.parse(await from.must(command, { timeoutMs })) as CallsReport
}
