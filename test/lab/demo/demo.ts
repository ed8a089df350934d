// `npm start`: builds the demo's network, lets agents make it real, asks every pair, shows what
// came of it, and takes it all down again. What is here is the order of things; plan.ts is the
// network, check.ts the judge, table.ts the picture.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../../../src/agent/agent.ts'
import { openLog } from '../../../src/core/log.ts'
import { Appliance, kernelUnavailable } from '../../../src/main/appliance.ts'
import type { ApplianceConfig } from '../../../src/main/run.ts'
import type { Resources } from '../../../src/resource.ts'
import { ACTIVE_TABLE } from '../../../src/topology/view.ts'
import { Lab, LabError, until } from '../lib/index.ts'
import { Check } from './check.ts'
import type { Agents, Ground, Heard } from './ground.ts'
import { hosts, nodes } from './plan.ts'
import { type Report, reportHost, reportPairs, round } from './report.ts'
import { Screen } from './screen.ts'
import { buildTopology } from './topology.ts'

export interface DemoOptions {
  readonly once: boolean
  readonly json: boolean
  readonly memory: boolean
  readonly config: ApplianceConfig
  readonly plugins: readonly Resources[]
}

const ROUND_MS = 2000
const READY_MS = 10_000
const STOPPED = 130

export async function runDemo(options: DemoOptions): Promise<number> {
  const demo = new Demo(options)
  try {
    return await demo.run()
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    process.stderr.write(`mezzo: ${error.message}\n`)
    return 1
  } finally {
    await demo.close()
  }
}

class Demo {
  readonly #options: DemoOptions
  readonly #screen = new Screen(process.stdout)
  readonly #startedMs = performance.now()
  readonly #reason: string | null
  readonly #stop = stopSignal()
  readonly #agents = new Map<string, Agent>()
  #ground: Ground | null = null
  #appliance: Appliance | null = null
  #check: Check | null = null
  #url = ''

  constructor(options: DemoOptions) {
    this.#options = options
    this.#reason = options.memory ? null : (kernelUnavailable() ?? Lab.available())
  }

  async run(): Promise<number> {
    const { once } = this.#options
    this.#announce()
    const check = await Promise.race([this.#build(), this.#stop.signal])
    if (check === undefined) return STOPPED
    const asked = await Promise.race([check.round(() => this.#draw()), this.#stop.signal])
    void asked
    if (this.#stop.stopped) return once ? STOPPED : 0
    return once ? this.#conclude() : this.#live(check)
  }

  async close(): Promise<void> {
    this.#check?.stop()
    await this.#appliance?.close()
    await this.#ground?.close()
  }

  // --- building ----------------------------------------------------------------------------------

  async #build(): Promise<Check | undefined> {
    const { config, plugins } = this.#options
    const heard: Heard = (node, label) => this.#check?.heard(node, label)
    const ground = await this.#openGround(heard)
    this.#ground = ground
    const named = plugins.filter(({ name }) => name in config.plugins)
    const log = openLog(config.log)
    const appliance = await Appliance.open({ storePath: ':memory:', plugins: named, log })
    this.#appliance = appliance
    const { changes, hosts: ids } = buildTopology(ground.underlay)
    await appliance.store.write(changes)
    await Promise.all([
      this.#listen(appliance),
      ground.populate(this.#doors()),
      ...hosts.map(name => this.#startAgent(appliance, ground, { id: ids[name], name }))
    ])
    await this.#ready(appliance)
    this.#check = new Check(ground)
    return this.#check
  }

  async #openGround(heard: Heard): Promise<Ground> {
    if (this.#options.memory || this.#reason !== null) {
      const { MemoryGround } = await import('./memory-ground.ts')
      return new MemoryGround(heard)
    }
    const { KernelGround } = await import('./kernel-ground.ts')
    return KernelGround.open(heard)
  }

  async #startAgent(
    appliance: Appliance,
    ground: Ground,
    host: { id: string; name: (typeof hosts)[number] }
  ): Promise<void> {
    const settings = this.#options.config.plugins
    const agent = await appliance.startAgent({
      ...host,
      ...ground.agentOptions(host.name),
      settings
    })
    this.#agents.set(host.name, agent)
  }

  // The usual port, so that the command line finds it; any other when somebody has it.
  async #listen(appliance: Appliance): Promise<void> {
    const { address: host, port, token } = this.#options.config.api
    try {
      this.#url = await appliance.listen({ host, port }, token)
    } catch (error) {
      const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
      if (cause?.code !== 'EADDRINUSE') throw error
      this.#url = await appliance.listen({ host, port: 0 }, token)
    }
  }

  // Every port is bound, every agent has been told so, and what first packets need is loaded.
  async #ready(appliance: Appliance): Promise<void> {
    const active = appliance.store.table(ACTIVE_TABLE)
    const bound = async (): Promise<boolean> => (await active.entries()).length === nodes.length
    await until('every port is bound', bound, READY_MS)
    await until('every agent is ready', () => this.#rehearsed(), READY_MS)
  }

  async #rehearsed(): Promise<boolean> {
    const agents = [...this.#agents.values()]
    const states = await Promise.all(agents.map(agent => agent.status()))
    return states.every(({ rehearsing }) => rehearsing === 0)
  }

  #doors(): Agents {
    return {
      input: (host, name, frame) => this.#agents.get(host)?.input(name, frame),
      fromUnderlay: (host, key, src, frame) => this.#agents.get(host)?.fromUnderlay(key, src, frame)
    }
  }

  // --- showing -----------------------------------------------------------------------------------

  async #conclude(): Promise<number> {
    await this.#fresh()
    const report = this.#report()
    if (this.#options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    else this.#screen.print(report, false)
    return report.ok ? 0 : 1
  }

  async #live(check: Check): Promise<number> {
    await this.#fresh()
    if (!this.#screen.isLive) this.#screen.print(this.#report(), true)
    let before = check.faults().join('\n')
    while (!this.#stop.stopped) {
      this.#draw()
      await Promise.race([sleep(ROUND_MS), this.#stop.signal])
      await Promise.race([check.round(), this.#stop.signal])
      const now = check.faults().join('\n')
      if (now !== before && !this.#screen.isLive && !this.#stop.stopped)
        this.#screen.say(now === '' ? 'all pairs are as they should be again' : now)
      before = now
    }
    this.#screen.leave('taking everything down')
    return 0
  }

  // The agents tell their counters twice a second.
  async #fresh(): Promise<void> {
    await Promise.all([...this.#agents.values()].map(agent => agent.freshCounters()))
  }

  #draw(): void {
    if (!this.#options.json && !this.#stop.stopped)
      this.#screen.draw(this.#report(), !this.#options.once)
  }

  #report(): Report {
    const faults = this.#check?.faults() ?? []
    return {
      ok: faults.length === 0,
      datapath: this.#ground?.kind ?? 'memory',
      reason: this.#reason,
      api: this.#url,
      seconds: round((performance.now() - this.#startedMs) / 1000, 2),
      hosts: hosts.flatMap(name => reportHost(this.#agents.get(name))),
      pairs: this.#check === null ? [] : reportPairs(this.#check),
      faults
    }
  }

  #announce(): void {
    if (this.#reason !== null)
      process.stderr.write(`mezzo: no kernel datapath (${this.#reason}): the demo runs in memory\n`)
  }
}

// A second signal ends the process at once; the lab then goes synchronously. A terminal and npm
// may both pass on one Ctrl-C, so what comes within a second is still the first.
function stopSignal(): { readonly signal: Promise<undefined>; readonly stopped: boolean } {
  const state = { stopped: false }
  const signal = new Promise<undefined>(done => {
    let firstMs = 0
    const stop = (): void => {
      if (state.stopped && performance.now() - firstMs > 1000) process.exit(STOPPED)
      if (!state.stopped) firstMs = performance.now()
      state.stopped = true
      done(undefined)
    }
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
  })
  return {
    signal,
    get stopped() {
      return state.stopped
    }
  }
}
