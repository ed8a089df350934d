// The lab: hosts, an underlay, VMs and outside networks, each a network namespace of this machine.
// Whatever happens to the process, nothing stays: close() at the end, the same synchronously at
// exit and on signals, and the next run with the same prefix after a kill -9.
// test/lab/lib-self.test.ts holds it.

import { whyUnavailable } from './available.ts'
import { Host, type HostOptions } from './machines/host.ts'
import type { Machine } from './machines/machine.ts'
import { Outside, type OutsideOptions } from './machines/outside.ts'
import { Underlay, type UnderlayOptions } from './machines/underlay.ts'
import { Claim } from './process/claim.ts'
import { LabError } from './process/process.ts'

/** What a lab is opened with. */
export interface LabOptions {
  /** Begins every namespace's name; labs with different ones live side by side. */
  readonly prefix: string
  /** Whether SIGINT, SIGTERM and SIGHUP take the lab down and end the process; default true. */
  readonly signals?: boolean
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Networks, hosts and VMs in namespaces of this machine; `close` takes all of it away. */
export class Lab {
  /** What the names of its namespaces begin with. */
  readonly prefix: string
  /** For files of the run; gone after it. */
  readonly folder: string
  readonly #claim: Claim
  readonly #machines = new Map<string, Machine>()
  #closed = false

  private constructor(claim: Claim, handleSignals: boolean) {
    this.#claim = claim
    this.prefix = claim.prefix
    this.folder = claim.folder
    process.on('exit', this.#closeSync)
    if (handleSignals) for (const signal of signals) process.on(signal, this.#onSignal)
  }

  /** Why there can be no lab here, or null: what a test skips with. */
  static available(): string | null {
    return whyUnavailable()
  }

  /**
   * Opens a lab; throws LabError with the reason when this machine cannot, or the prefix is taken.
   */
  static async open({ prefix, signals = true }: LabOptions): Promise<Lab> {
    const reason = whyUnavailable()
    if (reason !== null) throw new LabError(`no lab: ${reason}`)
    return new Lab(await Claim.take(prefix), signals)
  }

  /** A network that joins hosts. */
  async underlay(options: UnderlayOptions & { readonly name?: string } = {}): Promise<Underlay> {
    const underlay = new Underlay(this.#claim, options.name ?? 'underlay', options)
    this.#adopt(underlay)
    await underlay.build()
    return underlay
  }

  /** A host. */
  async host(name: string, options: HostOptions = {}): Promise<Host> {
    const host = new Host(this.#claim, name, options, machine => this.#adopt(machine))
    this.#adopt(host)
    await host.build()
    return host
  }

  /** A network beyond ours. */
  async outside(name: string, options: OutsideOptions): Promise<Outside> {
    const outside = new Outside(this.#claim, name, options)
    this.#adopt(outside)
    await outside.build()
    return outside
  }

  /** Everything there is, by name. */
  get machines(): ReadonlyMap<string, Machine> {
    return this.#machines
  }

  /** Ends the programs, then removes the namespaces. A second time does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return
    await Promise.all([...this.#machines.values()].map(machine => machine.stopJobs()))
    this.#closeSync()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #adopt(machine: Machine): void {
    if (this.#closed) throw new LabError(`lab ${this.prefix} is closed`)
    if (this.#machines.has(machine.name)) throw new LabError(`${machine.name} exists already`)
    this.#machines.set(machine.name, machine)
  }

  readonly #closeSync = (): void => {
    if (this.#closed) return
    this.#closed = true
    process.off('exit', this.#closeSync)
    for (const signal of signals) process.off(signal, this.#onSignal)
    for (const machine of this.#machines.values()) machine.killJobsSync()
    this.#claim.releaseSync()
  }

  // Sent again without us listening, it ends the process as it would have.
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#closeSync()
    process.kill(process.pid, signal)
  }
}
