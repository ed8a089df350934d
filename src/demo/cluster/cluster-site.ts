// The demo as a cluster on one machine: ZooKeeper, Cassandra, a controller and four agents, each a
// process of its own in a namespace of its own, as they would be on machines of their own. All that
// is done to them is done from outside: settings in files, requests to APIs, signals.
// test/lab/demo-cluster.test.ts holds it.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Lab, LabError, until } from '../../lab/index.ts'
import { assemblyOf } from '../../topology/assembly/assemble.ts'
import { Faults } from '../faults.ts'
import type { Heard } from '../ground.ts'
import { KernelGround } from '../kernel/kernel-ground.ts'
import { type GatewayName, gateways, type HostName, hosts, vms } from '../plan/plan.ts'
import { type Built, buildTopology } from '../plan/topology.ts'
import type { Routes, Site, SiteOptions, Step } from '../site.ts'
import { away, openFront } from './front.ts'
import { installServers } from './install.ts'
import { ordealOf } from './ordeal.ts'
import { Program } from './program.ts'
import { Servers, serverNames } from './servers.ts'
import { agentSettings, controllerSettings, documentOf, placeOf } from './settings.ts'
import { UpstreamBeyond } from './upstream-beyond.ts'

const READY_MS = 60_000
const RESTORE_MS = 60_000
const STORE_MS = 60_000
const LOOK_MS = 2_000 // as often as a round of the demo's pings is shown
const cli = join(import.meta.dirname, '../../api/cli/mezzo.ts')

/** The demo's cluster, from the first to the last of its processes. */
export class ClusterSite implements Site {
  readonly #options: SiteOptions
  readonly #agents = new Map<HostName, Program>()
  #ground: KernelGround | null = null
  #beyond: UpstreamBeyond | null = null
  #servers: Servers | null = null
  #controller: Program | null = null
  #front: { readonly url: string; close(): Promise<void> } | null = null
  #built: Built | null = null
  readonly #drained = new Set<HostName>()
  #isClosing = false
  readonly #stateKinds: readonly string[]

  /** Installs what it needs and is not there; throws LabError when something cannot be had. */
  static async prepare(options: SiteOptions): Promise<ClusterSite> {
    await installServers()
    return new ClusterSite(options)
  }

  private constructor(options: SiteOptions) {
    this.#options = options
    this.#stateKinds = assemblyOf(options.plugins).stateKinds.map(({ name }) => name)
  }

  get ground(): KernelGround | null {
    return this.#ground
  }

  get url(): string {
    return this.#front?.url ?? ''
  }

  get hosts(): Site['hosts'] {
    return hosts.flatMap(name => {
      const agent = this.#agents.get(name)
      return agent === undefined ? [] : [agent.view(this.#stateKinds, this.#drained.has(name))]
    })
  }

  get services(): Site['services'] {
    return [...(this.#servers?.reports ?? []), ...(this.#beyond?.reports ?? [])]
  }

  get ordeal(): readonly Step[] {
    return ordealOf({
      renew: () => this.#ground!.renew(),
      storeIs: state => this.#storeIs(state)
    })
  }

  async build(heard: Heard, routes: Routes): Promise<KernelGround> {
    const beyond = (lab: Lab): UpstreamBeyond => {
      this.#beyond = new UpstreamBeyond(lab)
      return this.#beyond
    }
    const ground = await KernelGround.open({ heard, others: serverNames, beyond })
    this.#ground = ground
    await this.#beyond!.clear() // what a killed demo has left
    this.#goOn()
    const servers = await Servers.make(name => ground.placed(name))
    this.#servers = servers // from now on `close` ends them, started or not
    const agents = { input: () => {}, fromUnderlay: () => {} }
    await Promise.all([servers.start(), ground.populate(agents)])
    this.#goOn()
    await this.#fill(ground, servers)
    this.#goOn()
    const shared = { servers, folder: ground.folder, config: this.#options.config }
    const { machine } = ground.placed('controller')
    const controller = new Program(machine, ground.folder, controllerSettings(shared))
    this.#controller = controller
    servers.controller = controller
    for (const name of hosts) {
      const settings = agentSettings(name, shared)
      this.#agents.set(name, new Program(ground.placed(name).machine, ground.folder, settings))
    }
    const programs = [controller, ...this.#agents.values()]
    await Promise.all(programs.map(program => program.start()))
    this.#goOn()
    const { config } = this.#options
    this.#front = await openFront({ socket: controller.socket, routes, config })
    await Promise.race([this.#ready(), this.#options.stop.signal])
    this.#goOn()
    void this.#look()
    return ground
  }

  faults(begin: (fault: string) => Promise<void>): Faults {
    const [ground, servers] = [this.#ground!, this.#servers!]
    return new Faults({
      ground,
      killAgent: (host, isMachine) => this.#killAgent(host, isMachine),
      startAgent: host => this.#startAgent(host),
      move: (vm, to) => this.#move(vm, to),
      services: servers,
      routers: this.#beyond!,
      drain: (gateway, isDrained) => this.#drain(gateway, isDrained),
      begin
    })
  }

  async refresh(): Promise<void> {
    const programs = [...this.#agents.values()].map(program => program.refresh())
    await Promise.all([this.#servers?.refresh(), this.#beyond?.refresh(), ...programs])
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#front?.close()
    await Promise.all([...this.#agents.values()].map(program => program.stop()))
    await this.#controller?.stop()
    await this.#beyond?.clear()
    await Promise.all([this.#beyond?.close(), this.#servers?.close()])
    await this.#ground?.close()
  }

  #goOn(): void {
    if (this.#options.stop.stopped) throw new LabError('stopped')
  }

  // Agents of one process tell what they count; other processes have to be asked.
  async #look(): Promise<void> {
    while (!this.#isClosing) {
      await this.refresh()
      await sleep(LOOK_MS, undefined, { ref: false })
    }
  }

  #storeIs(state: 'away' | 'there'): Promise<void> {
    const isSo = async (): Promise<boolean> => {
      await this.refresh()
      const alive = [...this.#agents.values()].filter(agent => agent.alive)
      return alive.every(agent => agent.value('store.away-ms') > 0 === (state === 'away'))
    }
    return until(`the store is ${state} for every agent`, isSo, STORE_MS)
  }

  // As an operator would fill an empty store: with a backup, by the command line.
  async #fill(ground: KernelGround, servers: Servers): Promise<void> {
    const built = buildTopology(ground.underlay, this.#beyond!.uplinks)
    this.#built = built
    const file = join(ground.folder, 'topology.json')
    writeFileSync(file, JSON.stringify(documentOf(built)), { mode: 0o600 })
    const { machine } = ground.placed('controller')
    const command = [process.execPath, cli, 'store', 'restore', file, placeOf(servers)]
    await machine.must(command, { timeoutMs: RESTORE_MS })
  }

  async #startAgent(host: HostName): Promise<void> {
    const agent = this.#agents.get(host)!
    await agent.start()
    await until(`the ports of ${host} are up`, () => hasPorts(agent, 1), READY_MS)
    const isGateway = gateways.some(gateway => gateway === host)
    if (isGateway && !this.#drained.has(host)) await this.#beyond!.untilTold(host, true)
  }

  // What speaks BGP for a gateway outlives its agent, and dies with the machine.
  async #killAgent(host: HostName, isMachine: boolean): Promise<void> {
    await this.#agents.get(host)?.kill()
    if (isMachine) await this.#beyond!.silence(host)
  }

  // The interface is there before the port comes: the host is asked whether it is.
  async #move(vm: string, to: HostName): Promise<void> {
    await this.#ground!.move(vm, to)
    const { hosts: ids, ports } = this.#built!
    const body = { host: ids[to], interface: vm }
    await this.#controller!.client.send('POST', `/ports/${ports.get(vm)}/move`, body)
  }

  // As an operator does it; then the routers outside have to hear of it.
  async #drain(gateway: GatewayName, isDrained: boolean): Promise<void> {
    const set = async (drain: boolean): Promise<void> => {
      if (!this.#controller!.alive) throw away()
      const path = `/hosts/${this.#built!.hosts[gateway]}`
      await this.#controller!.client.send('PATCH', path, { drain: drain ? true : null })
    }
    await set(isDrained)
    try {
      await this.#beyond!.untilTold(gateway, !isDrained)
    } catch (error) {
      await set(!isDrained).catch(() => {})
      throw error
    }
    if (isDrained) this.#drained.add(gateway)
    else this.#drained.delete(gateway)
  }

  #portsOf(host: HostName): number {
    const own = vms.filter(vm => vm.host === host).length
    return own + this.#beyond!.interfaces(host).length
  }

  async #ready(): Promise<void> {
    const up = [...this.#agents].map(([host, agent]) =>
      until(`the ports of ${host} are up`, () => hasPorts(agent, this.#portsOf(host)), READY_MS)
    )
    await Promise.all([...up, this.#beyond!.untilUp()])
  }
}

async function hasPorts(agent: Program, least: number): Promise<boolean> {
  await agent.refresh()
  return agent.value('agent.ports-bound') >= least
}
