// What may be done to the running demo: a gateway dies and comes back, an agent crashes and is
// started again, a virtual machine moves. One at a time, and what makes no sense is refused.
// test/lab/demo.test.ts holds it.

import { conflict, invalid } from '../api/http/refusal.ts'
import type { Fault } from '../topology/model.ts'
import type { Ground } from './ground.ts'
import { type GatewayName, gateways, type HostName, hosts, type VmPlan, vms } from './plan/plan.ts'
import { type Part, WaysOut } from './plan/ways-out.ts'

/** Processes beside the agents that may be killed and started again. */
export interface Services {
  /** What they are called, the kinds and whichever leads among them. */
  readonly names: readonly string[]
  /** Names of several together. */
  readonly kinds: readonly string[]
  /** Kills what has the name and runs; throws a conflict when nothing of it does. */
  kill(name: string): Promise<string>
  /** Starts what has the name and was killed; throws a conflict when nothing of it was. */
  restore(name: string): Promise<string>
}

/** Routers outside, each with a cable to each gateway. */
export interface Routers {
  /** What they are called. */
  readonly names: readonly string[]
  /** It dies, and its cables go down. */
  kill(router: string): Promise<void>
  /** It comes back. */
  revive(router: string): Promise<void>
  /** The cable between a gateway and a router is cut, or mended. */
  cut(gateway: string, router: string, isCut: boolean): Promise<void>
}

/** What faults are made on. */
export interface FaultParts {
  readonly ground: Ground
  /** The agent of a host ends in the middle of whatever it does; or all of the machine does. */
  killAgent(host: HostName, isMachine: boolean): Promise<void> | undefined
  /** Starts the agent of a host; resolves when its ports are up. */
  startAgent(host: HostName): Promise<void>
  /** The outside is told by hand to answer by a gateway; without, it finds out by itself. */
  returnBy?(gateway: GatewayName): Promise<void>
  /** A VM's cable and its port go to another host. */
  move(vm: string, to: HostName): Promise<unknown>
  /** The other processes that may die; without, there are none. */
  readonly services?: Services
  /** The routers outside; without, there are none. */
  readonly routers?: Routers
  /** Traffic from outside is led away from a gateway, or back; only with routers. */
  drain?(gateway: GatewayName, isDrained: boolean): Promise<void>
  /** Before anything happens. */
  begin(fault: string): Promise<void>
}

/** Makes faults, one after the other: kills and restores gateways, restarts agents, moves VMs. */
export class Faults {
  readonly #parts: FaultParts
  readonly #ways: WaysOut
  readonly #places = new Map<string, HostName>(vms.map(({ name, host }) => [name, host]))
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: FaultParts) {
    this.#parts = parts
    this.#ways = new WaysOut(parts.routers?.names)
  }

  /** Whether the host was killed. */
  isDead(host: HostName): boolean {
    return this.#ways.isGone(`dead ${host}`)
  }

  /**
   * A gateway's agent ends in the middle of whatever it does, and every cable goes down: a process
   * of its own by kill -9, a thread as abruptly. Or a service is killed.
   */
  kill(name: unknown): Promise<string> {
    return this.#next(async () => {
      const service = this.#serviceOf(name)
      if (service !== undefined) return this.#onService('kill', service)
      const router = this.#routerOf(name)
      if (router !== undefined) return this.#killRouter(router)
      const gateway = this.#gatewayOf(name)
      this.#mayLose(`dead ${gateway}`, fault('host', name, 'a gateway that is alive'))
      const other = gateways.find(each => each !== gateway)!
      const { ground, begin, killAgent, returnBy } = this.#parts
      await begin(`kill ${gateway}`)
      this.#ways.lose(`dead ${gateway}`)
      const [cables] = await Promise.all([
        ground.cut(gateway),
        killAgent(gateway, true),
        returnBy?.(other)
      ])
      return `${gateway} is dead: its agent, and ${cables} cables; ${this.#answersBy(other)}`
    })
  }

  /** All services of a kind are killed; throws when there is no such kind. */
  stop(name: unknown): Promise<string> {
    return this.#next(async () => {
      const { services } = this.#parts
      if (services === undefined)
        throw invalid([fault('host', name, 'a cluster: `npm start -- --cluster` has servers')])
      const kind = services.kinds.find(each => each === name)
      if (kind === undefined) throw unknown('host', name, services.kinds)
      await this.#parts.begin(`stop ${kind}`)
      return services.kill(kind)
    })
  }

  /** A dead gateway or service comes back; throws when it is none. */
  restore(name: unknown): Promise<string> {
    return this.#next(async () => {
      const service = this.#serviceOf(name)
      if (service !== undefined) return this.#onService('restore', service)
      const router = this.#routerOf(name)
      if (router !== undefined) return this.#reviveRouter(router)
      const gateway = this.#gatewayOf(name)
      if (!this.isDead(gateway)) throw conflict(fault('host', name, 'a gateway that is dead'))
      const { ground, begin, startAgent, returnBy } = this.#parts
      await begin(`restore ${gateway}`)
      await ground.mend(gateway)
      await startAgent(gateway)
      this.#ways.regain(`dead ${gateway}`)
      const back = gateways.some(each => this.isDead(each)) ? gateway : 'gateway2'
      await returnBy?.(back)
      return `${gateway} is back; ${this.#answersBy(back)}`
    })
  }

  /** A host's agent ends and a new one takes over; throws when the host is dead. */
  restart(name: unknown): Promise<string> {
    return this.#next(async () => {
      const host = hosts.find(each => each === name)
      if (host === undefined) throw unknown('host', name, hosts)
      if (this.isDead(host)) throw conflict(fault('host', name, 'a host that is alive'))
      const { killAgent, startAgent, begin } = this.#parts
      await begin(`restart ${host}`)
      await killAgent(host, false)
      await startAgent(host)
      return `the agent of ${host} crashed and runs again`
    })
  }

  /** A VM goes to another compute host; throws when there is none of that name. */
  move(name: unknown, to: unknown): Promise<string> {
    return this.#next(async () => {
      const vm = vmOf(name)
      const host = hosts.find(each => each === to)
      if (host === undefined || gateways.includes(host as GatewayName))
        throw unknown('host', to, ['compute1', 'compute2'])
      const from = this.#places.get(vm.name)!
      if (from === host) throw conflict(fault('host', to, `another host: ${vm.name} is there`))
      const { begin, move } = this.#parts
      await begin(`move ${vm.name} ${host}`)
      await move(vm.name, host)
      this.#places.set(vm.name, host)
      return `${vm.name} has moved from ${from} to ${host}`
    })
  }

  /** The cable between a gateway and a router outside is cut, at the router's end. */
  cut(host: unknown, router: unknown): Promise<string> {
    return this.#next(async () => {
      const [gateway, there, routers] = this.#cableOf(host, router)
      const part = `cut ${gateway} ${there}` as const
      this.#mayLose(part, fault('upstream', router, `one whose cable to ${gateway} is whole`))
      await this.#parts.begin(part)
      this.#ways.lose(part)
      await routers.cut(gateway, there, true)
      return `the cable between ${gateway} and ${there} is cut`
    })
  }

  /** It is whole again. */
  mend(host: unknown, router: unknown): Promise<string> {
    return this.#next(async () => {
      const [gateway, there, routers] = this.#cableOf(host, router)
      const part = `cut ${gateway} ${there}` as const
      if (!this.#ways.isGone(part))
        throw conflict(fault('upstream', router, `one whose cable to ${gateway} is cut`))
      await this.#parts.begin(`mend ${gateway} ${there}`)
      await routers.cut(gateway, there, false)
      this.#ways.regain(part)
      return `the cable between ${gateway} and ${there} is whole`
    })
  }

  /** Traffic from outside is led away from a gateway; its sessions and connections stay. */
  drain(name: unknown): Promise<string> {
    return this.#next(async () => {
      this.#mustHaveRouters(name)
      const gateway = this.#livingGatewayOf(name)
      this.#mayLose(`drained ${gateway}`, fault('host', name, 'a gateway that is not drained'))
      await this.#parts.begin(`drain ${gateway}`)
      await this.#parts.drain?.(gateway, true)
      this.#ways.lose(`drained ${gateway}`)
      return `${gateway} is drained: nothing comes in by it`
    })
  }

  /** It takes traffic from outside again. */
  undrain(name: unknown): Promise<string> {
    return this.#next(async () => {
      this.#mustHaveRouters(name)
      const gateway = this.#livingGatewayOf(name)
      if (!this.#ways.isGone(`drained ${gateway}`))
        throw conflict(fault('host', name, 'a gateway that is drained'))
      await this.#parts.begin(`undrain ${gateway}`)
      await this.#parts.drain?.(gateway, false)
      this.#ways.regain(`drained ${gateway}`)
      return `${gateway} takes traffic from outside again`
    })
  }

  async #killRouter(router: string): Promise<string> {
    this.#mayLose(`dead ${router}`, fault('host', router, 'a router that is alive'))
    await this.#parts.begin(`kill ${router}`)
    this.#ways.lose(`dead ${router}`)
    await this.#parts.routers!.kill(router)
    return `${router} is dead, its cables with it`
  }

  async #reviveRouter(router: string): Promise<string> {
    if (!this.#ways.isGone(`dead ${router}`))
      throw conflict(fault('host', router, 'a router that is dead'))
    await this.#parts.begin(`restore ${router}`)
    await this.#parts.routers!.revive(router)
    this.#ways.regain(`dead ${router}`)
    return `${router} is back`
  }

  // Once only, and never the last way out.
  #mayLose(part: Part, twice: Fault): void {
    if (this.#ways.isGone(part)) throw conflict(twice)
    if (this.#ways.canLose(part)) return
    throw conflict({ ...twice, expected: `one that leaves a way out; gone: ${this.#ways.gone}` })
  }

  #mustHaveRouters(name: unknown): Routers {
    const { routers } = this.#parts
    if (routers !== undefined) return routers
    throw invalid([fault('host', name, 'a cluster: `npm start -- --cluster` has routers outside')])
  }

  #cableOf(host: unknown, name: unknown): [GatewayName, string, Routers] {
    const routers = this.#mustHaveRouters(host)
    const gateway = gateways.find(each => each === host)
    if (gateway === undefined) throw unknown('host', host, gateways)
    const router = this.#routerOf(name)
    if (router === undefined) throw unknown('upstream', name, routers.names)
    return [gateway, router, routers]
  }

  #livingGatewayOf(name: unknown): GatewayName {
    const gateway = gateways.find(each => each === name)
    if (gateway === undefined) throw unknown('host', name, gateways)
    if (this.isDead(gateway)) throw conflict(fault('host', name, 'a gateway that is alive'))
    return gateway
  }

  #routerOf(name: unknown): string | undefined {
    return this.#parts.routers?.names.find(each => each === name)
  }

  #answersBy(gateway: GatewayName): string {
    const { returnBy } = this.#parts
    return `the outside ${returnBy === undefined ? 'finds out by BGP' : `answers by ${gateway}`}`
  }

  #serviceOf(name: unknown): string | undefined {
    return this.#parts.services?.names.find(each => each === name)
  }

  async #onService(verb: 'kill' | 'restore', name: string): Promise<string> {
    await this.#parts.begin(`${verb} ${name}`)
    return this.#parts.services![verb](name)
  }

  #gatewayOf(name: unknown): GatewayName {
    const gateway = gateways.find(each => each === name)
    if (gateway !== undefined) return gateway
    const { services, routers } = this.#parts
    const others = [...(routers?.names ?? []), ...(services?.names ?? [])]
    throw unknown('host', name, [...gateways, ...others])
  }

  #next<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#last.then(make)
    this.#last = made.catch(() => {})
    return made
  }
}

// By its name, or by its place in the plan: vm2 is red-web2.
function vmOf(name: unknown): VmPlan {
  const vm = vms.find((each, i) => each.name === name || name === `vm${i + 1}`)
  if (vm === undefined)
    throw unknown(
      'vm',
      name,
      vms.map(each => each.name)
    )
  return vm
}

const fault = (field: string, value: unknown, expected: string) => ({ field, value, expected })

const unknown = (field: string, value: unknown, names: readonly string[]) =>
  invalid([fault(field, value, `one of ${names.join(', ')}`)])
