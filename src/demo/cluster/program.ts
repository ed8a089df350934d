// Mezzo itself as a process: the program that operators start, in a namespace, with a configuration
// of its own and an API on a socket, which is reached from any namespace. What it counts is read
// where Prometheus reads it. test/lab/demo-cluster.test.ts holds it.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from '../../api/cli/client.ts'
import { type Job, LabError, type Machine, until } from '../../lab/index.ts'
import type { HostView } from '../report/report.ts'

const main = join(import.meta.dirname, '../../main.ts')
const memory = ['--max-semi-space-size=2', '--v8-pool-size=1']
const START_MS = 90_000
const TOLD_BYTES = 2_000
const SAMPLE = /^(mezzo_\w+)(?:\{(.*)\})? (\S+)$/
const REASON = /reason="([^"]*)"/

/** One of the cluster's own programs. */
export class Program {
  /** As its namespace is called. */
  readonly name: string
  /** Its API. */
  readonly socket: string
  /** Asks it. */
  readonly client: Client
  readonly #machine: Machine
  readonly #file: string
  #job: Job | null = null
  #samples: ReadonlyMap<string, number> = new Map()
  #drops: Readonly<Record<string, number>> = {}

  /** `settings`: of its configuration; where its API is is added. */
  constructor(machine: Machine, folder: string, settings: Readonly<Record<string, unknown>>) {
    this.name = machine.name
    this.#machine = machine
    const own = join(folder, machine.name)
    mkdirSync(own, { recursive: true, mode: 0o700 })
    this.socket = join(own, 'api.sock')
    this.#file = join(own, 'settings.json')
    this.client = new Client([this.socket], undefined)
    const api = { enabled: true, socket: this.socket }
    writeFileSync(this.#file, JSON.stringify({ ...settings, api }, null, 2), { mode: 0o600 })
  }

  /** Whether it runs. */
  get alive(): boolean {
    return this.#job?.running === true
  }

  /** Starts it; resolves when its API answers, be it that it is not well. */
  async start(): Promise<void> {
    const program = [process.execPath, ...memory, main, '--no-demo', '--config', this.#file]
    const job = this.#machine.spawn(['setpriv', '--pdeathsig', 'KILL', ...program])
    this.#job = job
    this.#samples = new Map()
    this.#drops = {}
    const answers = async (): Promise<boolean> => {
      if (!job.running)
        throw new LabError(`${this.name} ended: ${job.output.slice(-TOLD_BYTES).trim()}`)
      return this.client.report('/health').then(
        () => true,
        () => false
      )
    }
    await until(`${this.name} answers`, answers, START_MS)
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#job?.stop('SIGKILL')
  }

  /** Asks it to end. */
  async stop(): Promise<void> {
    await this.#job?.stop()
  }

  /** Reads its counters; they stay as they were when it does not answer. */
  async refresh(): Promise<void> {
    if (!this.alive) return
    const page = await this.client.text('/metrics').catch(() => undefined)
    if (page !== undefined) this.#read(page)
  }

  /** A counter or a gauge by its name in the code; 0 when there is none. */
  value(name: string): number {
    const metric = `mezzo_${name.replace(/[.-]/g, '_')}`
    return this.#samples.get(metric) ?? this.#samples.get(`${metric}_total`) ?? 0
  }

  /** Packets dropped, by reason. */
  drops(): Readonly<Record<string, number>> {
    return this.#drops
  }

  /** As the report shows a host. */
  view(stateKinds: readonly string[], isDrained: boolean): HostView {
    const { name, alive } = this
    return {
      name,
      alive,
      isDrained,
      stateKinds,
      value: of => this.value(of),
      drops: () => this.drops()
    }
  }

  #read(page: string): void {
    const samples = new Map<string, number>()
    const drops: Record<string, number> = {}
    for (const line of page.split('\n')) {
      const [, metric, labels = '', text] = SAMPLE.exec(line) ?? []
      if (metric === undefined) continue
      const value = Number(text)
      samples.set(metric, (samples.get(metric) ?? 0) + value)
      const reason = metric === 'mezzo_drops_total' ? REASON.exec(labels)?.[1] : undefined
      if (reason !== undefined) drops[reason] = (drops[reason] ?? 0) + value
    }
    this.#samples = samples
    this.#drops = drops
  }
}
