// The demo in one process: a ground, a store with its API, an agent for each host, all taken away
// again. The order of what is done with it is demo.ts's. test/lab/demo.test.ts holds it.

import type { Agent } from '../agent/agent.ts'
import type { AgentsView } from '../api/agents.ts'
import { Ports } from '../api/rest/ports.ts'
import { openLog } from '../core/log.ts'
import { LabError, until } from '../lab/index.ts'
import { Appliance } from '../main/appliance.ts'
import { flowStateOf } from '../main/state-settings.ts'
import { activeTable } from '../topology/ports/port-status.ts'
import { Faults } from './faults.ts'
import type { Agents, Ground, Heard } from './ground.ts'
import { type HostName, hosts, uplinks, vms } from './plan/plan.ts'
import { type Built, buildTopology } from './plan/topology.ts'
import type { HostView } from './report/report.ts'
import type { Routes, Site, SiteOptions, Step } from './site.ts'
import { atUsualPort } from './usual-port.ts'

/** What it is made of. */
interface LocalSiteOptions extends SiteOptions {
  /** Whether it stands in memory, without a kernel. */
  readonly isMemory: boolean
}

const READY_MS = 60_000 // as a cluster's
// Nobody is asked which interfaces there are: a cable comes while its port moves.
const noAgents: AgentsView = {
  hosts: async () => [],
  host: async () => undefined,
  interfaces: async () => undefined,
  flows: async () => [],
  trace: () => Promise.reject(new Error('no agent')),
  answer: () => Promise.reject(new Error('no agent')),
  metrics: () => [],
  state: () => Promise.reject(new Error('no agent')),
  peers: () => Promise.reject(new Error('no agent'))
}

/** The demo's hosts, VMs, store and agents, from the first to the last of them. */
export class LocalSite implements Site {
  readonly #options: LocalSiteOptions
  readonly #agents = new Map<string, Agent>()
  #ground: Ground | null = null
  #appliance: Appliance | null = null
  #built: Built | null = null
  #url = ''

  readonly services = []
  readonly ordeal: readonly Step[] = [
    faults => faults.kill('gateway1').then(() => undefined),
    faults => faults.move('red-db1', 'compute1').then(() => undefined)
  ]

  constructor(options: LocalSiteOptions) {
    this.#options = options
  }

  get ground(): Ground | null {
    return this.#ground
  }

  get url(): string {
    return this.#url
  }

  get hosts(): readonly HostView[] {
    return hosts.flatMap(name => {
      const agent = this.#agents.get(name)
      return agent === undefined ? [] : [viewOf(agent)]
    })
  }

  async build(heard: Heard, routes: Routes): Promise<Ground> {
    const { config, plugins } = this.#options
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
    this.#built = built
    await appliance.store.write(built.changes)
    this.#goOn()
    await Promise.all([
      this.#listen(appliance, routes),
      ground.populate(this.#doors()),
      ...hosts.map(name => this.#startAgent(appliance, ground, { id: built.hosts[name], name }))
    ])
    await Promise.race([this.#ready(appliance), this.#options.stop.signal])
    this.#goOn()
    return ground
  }

  faults(begin: (fault: string) => Promise<void>): Faults {
    const [appliance, ground] = [this.#appliance!, this.#ground!]
    const { hosts: ids, ports } = this.#built!
    const moves = new Ports(appliance.store, noAgents)
    const movePort = (vm: string, to: HostName): Promise<unknown> =>
      moves.move(ports.get(vm)!, { host: ids[to], interface: vm }, undefined)
    return new Faults({
      ground,
      killAgent: host => this.#agents.get(host)?.kill(),
      startAgent: name => this.#restartAgent(appliance, ground, { id: ids[name], name }),
      returnBy: gateway => ground.returnBy(gateway),
      move: (vm, to) => Promise.all([ground.move(vm, to), movePort(vm, to)]),
      begin
    })
  }

  // The agents tell their counters twice a second; a dead one has told its last.
  async refresh(): Promise<void> {
    const alive = [...this.#agents.values()].filter(agent => agent.alive)
    await Promise.all(alive.map(agent => agent.freshCounters()))
  }

  async close(): Promise<void> {
    await this.#appliance?.close()
    await this.#ground?.close()
  }

  #goOn(): void {
    if (this.#options.stop.stopped) throw new LabError('stopped')
  }

  async #openGround(heard: Heard): Promise<Ground> {
    if (this.#options.isMemory) {
      const { MemoryGround } = await import('./memory/memory-ground.ts')
      return new MemoryGround(heard)
    }
    const { KernelGround } = await import('./kernel/kernel-ground.ts')
    return KernelGround.open({ heard })
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

  async #restartAgent(
    appliance: Appliance,
    ground: Ground,
    host: { id: string; name: HostName }
  ): Promise<void> {
    await this.#startAgent(appliance, ground, host)
    const agent = this.#agents.get(host.name)!
    const bound = async (): Promise<boolean> => (await agent.status()).bound > 0
    await until(`the ports of ${host.name} are up`, bound, READY_MS)
  }

  async #listen(appliance: Appliance, routes: Routes): Promise<void> {
    this.#url = await atUsualPort(this.#options.config.api, (at, token) =>
      appliance.listen(at, token, routes)
    )
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
}

const viewOf = ({ host, alive, stateKinds, kept, counters: told }: Agent): HostView => ({
  name: host.name,
  alive,
  isDrained: false,
  stateKinds,
  value: name => told.counters[name] ?? told.gauges[name] ?? kept[name] ?? 0,
  drops: () =>
    Object.fromEntries(
      Object.entries(told.counters).flatMap(([name, n]) =>
        name.startsWith(DROP) ? [[name.slice(DROP.length), n]] : []
      )
    )
})

const DROP = 'drop.'
