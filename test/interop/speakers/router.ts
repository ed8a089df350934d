// What kinds share that run as a service in a machine: networks that are told of change, and are
// told of again after a restart.

import { type Machine, run } from '../../../src/lab/index.ts'
import { missingProgram, Service } from '../../../src/lab/services/service.ts'
import type { Upstream, UpstreamOptions } from '../upstream.ts'

/** A router outside that is a program in a machine. */
export abstract class Router extends Service implements Upstream {
  protected readonly options: UpstreamOptions
  protected readonly machine: Machine
  #told: readonly string[]

  protected constructor(name: string, machine: Machine, options: UpstreamOptions) {
    super(name, { address: '', ports: [], enter: ['nsenter', `--net=${machine.path}`] })
    this.options = options
    this.machine = machine
    this.#told = options.networks
  }

  /** Starts it. */
  async open(): Promise<this> {
    try {
      await this.start()
      return this
    } catch (error) {
      await this.close()
      throw error
    }
  }

  override async start(): Promise<void> {
    await super.start()
    for (const each of this.#told) await this.tell(each)
  }

  async announce(networks: readonly string[]): Promise<void> {
    for (const each of this.#told) if (!networks.includes(each)) await this.withdraw(each)
    for (const each of networks) if (!this.#told.includes(each)) await this.tell(each)
    this.#told = networks
  }

  abstract learned(): Promise<readonly string[]>
  protected abstract tell(network: string): Promise<void>
  protected abstract withdraw(network: string): Promise<void>
}

/** What a program prints of its version. */
export async function versionOf(command: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(command)
  return /\d+\.\d+(?:\.\d+)*/.exec(stdout + stderr)?.[0] ?? '?'
}

/** Why a kind cannot be here; undefined when it can. */
export function missing(programs: readonly string[]): string | undefined {
  const program = missingProgram([...programs, 'setpriv'])
  return program && `${program} is not installed; node setup.mjs --lab --interop does`
}
