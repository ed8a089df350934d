// `npm start`: builds the demo's network, lets agents make it real, asks every pair, opens
// connections, shows what becomes of them whatever is done to the hosts, and takes it all down
// again. What is here is the order of things; plan.ts is the network, check.ts and survival.ts are
// the judges, table.ts the picture. test/lab/demo.test.ts holds it.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Agent } from '../agent/agent.ts'
import type { AgentsView } from '../api/agents.ts'
import { Ports } from '../api/rest/ports.ts'
import { openLog } from '../core/log.ts'
import { Lab, LabError, until } from '../lab/index.ts'
import { API_PORT, tokenOf } from '../main/api-settings.ts'
import { Appliance, kernelUnavailable } from '../main/appliance.ts'
import type { ApplianceConfig } from '../main/run.ts'
import { flowStateOf } from '../main/state-settings.ts'
import type { Resources } from '../resource.ts'
import { activeTable } from '../topology/port-status.ts'
import { Check } from './check.ts'
import { addDemoRoutes } from './fault-routes.ts'
import { Faults } from './faults.ts'
import type { Agents, Ground, Heard, Passed } from './ground.ts'
import { type HostName, hosts, uplinks, vms } from './plan.ts'
import {
  type Report,
  reportHost,
  reportPairs,
  reportWays,
  round,
  type WayReport
} from './report.ts'
import { Screen } from './screen.ts'
import { STOPPED, stopSignal } from './stop.ts'
import { outcomeText, Survival } from './survival.ts'
import { type Built, buildTopology } from './topology.ts'

/** What the demo is started with. */
export interface DemoOptions {
  /** Builds, checks, reports and ends. */
  readonly once: boolean
  /** The report as JSON. */
  readonly json: boolean
  /** Without a kernel, even where one could be had. */
  readonly memory: boolean
  readonly config: ApplianceConfig
  /** The plugins' data. */
  readonly plugins: readonly Resources[]
}

const ROUND_MS = 2000
const READY_MS = 30_000
const WATCH_MS = 500
const STEADY_MS = 1000
// TCP's own timer backs off to a second and more while nothing gets through.
const SETTLE_MS = 2000
const SETTLED_MS = 30_000
// Nobody is asked which interfaces there are: a cable comes while its port moves.
const noAgents: AgentsView = {
  hosts: () => [],
  interfaces: async () => undefined,
  flows: async () => [],
  trace: () => Promise.reject(new Error('no agent')),
  answer: () => Promise.reject(new Error('no agent')),
  metrics: () => [],
  state: () => Promise.reject(new Error('no agent')),
  peers: () => Promise.reject(new Error('no agent'))
}

/** Runs the demo until it is told to stop; gives the exit code. */
export async function runDemo(options: DemoOptions): Promise<number> {
  // Refuses what does not go together, before anything is built.
  flowStateOf(options.config.state, options.plugins)
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
  #building: Promise<Check> | null = null
  #ground: Ground | null = null
  #appliance: Appliance | null = null
  #check: Check | null = null
  #survival: Survival | null = null
  #faults: Faults | null = null
  #passed: readonly Passed[] = []
  #passedMs = 0
  #ways: readonly WayReport[] = []
  #url = ''

  constructor(options: DemoOptions) {
    this.#options = options
    this.#reason = options.memory ? null : (kernelUnavailable() ?? Lab.available())
  }

  async run(): Promise<number> {
    const { once, json } = this.#options
    this.#announce()
    if (once && this.#isFallback) {
      if (json) process.stdout.write(`${JSON.stringify(this.#report(), null, 2)}\n`)
      return 1
    }
    this.#building = this.#build()
    const check = await Promise.race([this.#building, this.#stop.signal])
    if (check === undefined) return STOPPED
    await Promise.race([this.#first(check), this.#stop.signal])
    if (this.#stop.stopped) return once ? STOPPED : 0
    if (!once) return this.#live(check)
    await Promise.race([this.#suffer(check), this.#stop.signal])
    return this.#stop.stopped ? STOPPED : this.#conclude()
  }

  async close(): Promise<void> {
    this.#check?.stop()
    await this.#building?.catch(() => {}) // what is half built has to be whole to be put away
    await this.#appliance?.close()
    await this.#ground?.close()
  }

  // --- building ----------------------------------------------------------------------------------

  async #build(): Promise<Check> {
    const { config, plugins } = this.#options
    const heard: Heard = (node, label) => this.#check?.heard(node, label)
    const ground = await this.#openGround(heard)
    this.#ground = ground
    this.#goOn()
    const named = plugins.filter(({ name }) => name in config.plugins)
    const log = openLog(config.log)
    const appliance = await Appliance.open({
      storePath: ':memory:',
      plugins: named,
      installed: plugins,
      log
    })
    this.#appliance = appliance
    const built = buildTopology(ground.underlay)
    await appliance.store.write(built.changes)
    this.#goOn()
    await Promise.all([
      this.#listen(appliance),
      ground.populate(this.#doors()),
      ...hosts.map(name => this.#startAgent(appliance, ground, { id: built.hosts[name], name }))
    ])
    await Promise.race([this.#ready(appliance), this.#stop.signal])
    this.#goOn()
    this.#check = new Check(ground)
    this.#faults = this.#openFaults(appliance, ground, built)
    return this.#check
  }

  #goOn(): void {
    if (this.#stop.stopped) throw new LabError('stopped')
  }

  #openFaults(appliance: Appliance, ground: Ground, { hosts: ids, ports }: Built): Faults {
    const moves = new Ports(appliance.store, noAgents)
    return new Faults({
      ground,
      agent: host => this.#agents.get(host),
      startAgent: name => this.#startAgent(appliance, ground, { id: ids[name], name }),
      movePort: (vm, to) => moves.move(ports.get(vm)!, { host: ids[to], interface: vm }, undefined),
      begin: async fault => {
        await this.#watch()
        await this.#survival?.begin(fault, this.#ways)
      }
    })
  }

  // Every pair once, then the connections: the times of first packets are theirs alone.
  async #first(check: Check): Promise<void> {
    await check.round(() => this.#draw())
    if (this.#stop.stopped) return
    this.#survival = new Survival(await this.#ground!.converse(), this.#startedMs)
    await this.#watch()
  }

  async #openGround(heard: Heard): Promise<Ground> {
    if (this.#options.memory || this.#reason !== null) {
      const { MemoryGround } = await import('./memory/memory-ground.ts')
      return new MemoryGround(heard)
    }
    const { KernelGround } = await import('./kernel/kernel-ground.ts')
    return KernelGround.open(heard)
  }

  async #startAgent(
    appliance: Appliance,
    ground: Ground,
    host: { id: string; name: HostName }
  ): Promise<void> {
    const { config, plugins } = this.#options
    const { plugins: settings, state: flowState, flows } = config
    const state = flowStateOf(flowState, plugins)
    const maintenance = { idleMs: flows.idleMs, checkMs: flows.checkMs }
    const stateStore = { ...flowState.store, path: `${ground.folder}/flow-state` }
    const given = ground.agentOptions(host.name)
    const agent = await appliance.startAgent({
      ...host,
      ...given,
      settings,
      state,
      maintenance,
      stateStore
    })
    this.#agents.set(host.name, agent)
  }

  // The usual port, so that the command line finds it; any other when somebody has it.
  async #listen(appliance: Appliance): Promise<void> {
    const { api } = this.#options.config
    const { address: host, port = API_PORT } = api
    const token = tokenOf(api)
    const more: Parameters<Appliance['listen']>[2] = app =>
      addDemoRoutes(app, {
        report: () => this.#report(),
        faults: () => (this.#survival === null ? null : this.#faults)
      })
    try {
      this.#url = await appliance.listen({ host, port }, token, more)
    } catch (error) {
      const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
      if (cause?.code !== 'EADDRINUSE') throw error
      this.#url = await appliance.listen({ host, port: 0 }, token, more)
    }
  }

  // Every port is bound, every agent has been told so, and what first packets need is loaded.
  async #ready(appliance: Appliance): Promise<void> {
    const wanted = vms.length + uplinks.length
    const up = new Map<string, number>() // by host
    const bound = async (): Promise<boolean> => {
      for (const { host } of this.#agents.values()) {
        const rows = await appliance.store.table(activeTable(host.id)).entries()
        up.set(host.id, rows.length)
      }
      return [...up.values()].reduce((sum, n) => sum + n, 0) === wanted
    }
    await until('every port is bound', bound, READY_MS)
    await until('every agent is ready', () => this.#agentsReady(up), READY_MS)
  }

  // Each has heard of the ports of the hosts it has met.
  async #agentsReady(up: ReadonlyMap<string, number>): Promise<boolean> {
    const agents = [...this.#agents.values()]
    const states = await Promise.all(agents.map(agent => agent.status()))
    return states.every(
      ({ active, dryRuns }) =>
        dryRuns === 0 && Object.entries(active).every(([host, n]) => n >= (up.get(host) ?? 0))
    )
  }

  #doors(): Agents {
    return {
      input: (host, name, frame) => this.#agents.get(host)?.input(name, frame),
      fromUnderlay: (host, key, src, frame) => this.#agents.get(host)?.fromUnderlay(key, src, frame)
    }
  }

  // --- going on ----------------------------------------------------------------------------------

  /** Connections and ways as they are now. */
  async #watch(): Promise<void> {
    const ground = this.#ground!
    const [passed] = await Promise.all([ground.passed(), this.#survival?.read()])
    const now = performance.now()
    if (now - this.#passedMs > WATCH_MS / 2) {
      this.#ways = reportWays(this.#passed, passed)
      this.#passed = passed
      this.#passedMs = now
    }
    this.#draw()
  }

  // What `--once` does to the connections; afterwards every pair is to be as it should be again.
  async #suffer(check: Check): Promise<void> {
    const faults = this.#faults!
    await this.#sleep(STEADY_MS)
    await faults.kill('gateway1')
    await this.#settle()
    await faults.move('red-db1', 'compute1')
    await this.#settle()
    await check.round(() => this.#draw())
    await this.#watch()
  }

  async #settle(): Promise<void> {
    const endMs = performance.now() + SETTLE_MS + SETTLED_MS
    await this.#sleep(SETTLE_MS)
    do {
      await this.#sleep(WATCH_MS)
      await this.#watch()
    } while (this.#survival!.faults().length > 0 && performance.now() < endMs)
  }

  #sleep(ms: number): Promise<unknown> {
    return sleep(ms, undefined, { signal: this.#stop.aborted }).catch(() => {})
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
    await Promise.race([Promise.all([this.#ask(check), this.#show()]), this.#stop.signal])
    this.#screen.leave('taking everything down')
    return 0
  }

  async #ask(check: Check): Promise<void> {
    let before = check.faults().join('\n')
    while (!this.#stop.stopped) {
      await this.#sleep(ROUND_MS)
      await check.round(() => {}, true)
      const now = check.faults().join('\n')
      if (now !== before) this.#say(now === '' ? 'all pairs are as they should be again' : now)
      before = now
    }
  }

  async #show(): Promise<void> {
    let said = ''
    while (!this.#stop.stopped) {
      await this.#sleep(WATCH_MS)
      await this.#watch()
      const outcome = this.#survival?.outcomes.at(-1)
      if (outcome === undefined || this.#survival!.sinceMs < SETTLE_MS) continue
      const now = `${outcome.at_s} ${outcome.survived} ${outcome.resets}`
      if (now !== said) this.#say(outcomeText(outcome))
      said = now
    }
  }

  /** Where no table is redrawn. */
  #say(text: string): void {
    if (!this.#screen.isLive && !this.#stop.stopped) this.#screen.say(text)
  }

  // The agents tell their counters twice a second; a dead one has told its last.
  async #fresh(): Promise<void> {
    const alive = [...this.#agents.values()].filter(agent => agent.alive)
    await Promise.all(alive.map(agent => agent.freshCounters()))
  }

  #draw(): void {
    if (!this.#options.json && !this.#stop.stopped)
      this.#screen.draw(this.#report(), !this.#options.once)
  }

  #report(): Report {
    const faults = [...(this.#check?.faults() ?? []), ...(this.#survival?.faults() ?? [])]
    if (this.#isFallback) faults.unshift(`no kernel datapath: ${this.#reason}`)
    return {
      ok: faults.length === 0,
      datapath: this.#ground?.kind ?? 'memory',
      reason: this.#reason,
      api: this.#url,
      seconds: round((performance.now() - this.#startedMs) / 1000, 2),
      hosts: hosts.flatMap(name => reportHost(this.#agents.get(name))),
      pairs: this.#check === null ? [] : reportPairs(this.#check),
      connections: this.#survival?.standing ?? [],
      ways: this.#ways,
      survival: this.#survival?.outcomes ?? [],
      faults
    }
  }

  #announce(): void {
    if (this.#reason === null) return
    const { once } = this.#options
    const what = once && this.#isFallback ? '--memory does without' : 'the demo runs in memory'
    process.stderr.write(`mezzo: no kernel datapath (${this.#reason}): ${what}\n`)
  }

  /** Memory where the kernel was to be expected, and nobody asked for it. */
  get #isFallback(): boolean {
    const isExpected = process.platform === 'linux' && process.geteuid?.() === 0
    return isExpected && this.#reason !== null
  }
}
