// What may be done to the running demo: a gateway dies and comes back, an agent crashes and is
// started again, a virtual machine moves. One at a time, and what makes no sense is refused.
// test/lab/demo.test.ts holds it.

import { conflict, invalid } from '../api/http/refusal.ts'
import type { Ground } from './ground.ts'
import { type GatewayName, gateways, type HostName, hosts, type VmPlan, vms } from './plan/plan.ts'

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
  /** Before anything happens. */
  begin(fault: string): Promise<void>
}

/** Makes faults, one after the other: kills and restores gateways, restarts agents, moves VMs. */
export class Faults {
  readonly #parts: FaultParts
  readonly #dead = new Set<HostName>()
  readonly #places = new Map<string, HostName>(vms.map(({ name, host }) => [name, host]))
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: FaultParts) {
    this.#parts = parts
  }

  /** Whether the host was killed. */
  isDead(host: HostName): boolean {
    return this.#dead.has(host)
  }

  /**
   * A gateway's agent ends in the middle of whatever it does, and every cable goes down: a process
   * of its own by kill -9, a thread as abruptly. Or a service is killed.
   */
  kill(name: unknown): Promise<string> {
    return this.#next(async () => {
      const service = this.#serviceOf(name)
      if (service !== undefined) return this.#onService('kill', service)
      const gateway = this.#gatewayOf(name)
      if (this.#dead.has(gateway)) throw conflict(fault('host', name, 'a gateway that is alive'))
      const other = gateways.find(each => each !== gateway && !this.#dead.has(each))
      if (other === undefined)
        throw conflict(fault('host', name, 'one of two: the other gateway is dead already'))
      const { ground, begin, killAgent, returnBy } = this.#parts
      await begin(`kill ${gateway}`)
      this.#dead.add(gateway)
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
      const gateway = this.#gatewayOf(name)
      if (!this.#dead.has(gateway)) throw conflict(fault('host', name, 'a gateway that is dead'))
      const { ground, begin, startAgent, returnBy } = this.#parts
      await begin(`restore ${gateway}`)
      await ground.mend(gateway)
      await startAgent(gateway)
      this.#dead.delete(gateway)
      const back = this.#dead.size === 0 ? 'gateway2' : gateway
      await returnBy?.(back)
      return `${gateway} is back; ${this.#answersBy(back)}`
    })
  }

  /** A host's agent ends and a new one takes over; throws when the host is dead. */
  restart(name: unknown): Promise<string> {
    return this.#next(async () => {
      const host = hosts.find(each => each === name)
      if (host === undefined) throw unknown('host', name, hosts)
      if (this.#dead.has(host)) throw conflict(fault('host', name, 'a host that is alive'))
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
    throw unknown('host', name, [...gateways, ...(this.#parts.services?.names ?? [])])
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
