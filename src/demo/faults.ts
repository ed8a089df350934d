// What may be done to the running demo: a gateway dies and comes back, an agent crashes and is
// started again, a virtual machine moves. One at a time, and what makes no sense is refused.
// test/lab/demo.test.ts holds it.

import type { Agent } from '../agent/agent.ts'
import { conflict, invalid } from '../api/http/refusal.ts'
import { until } from '../lab/index.ts'
import type { Ground } from './ground.ts'
import { type GatewayName, gateways, type HostName, hosts, type VmPlan, vms } from './plan/plan.ts'

/** What faults are made on. */
export interface FaultParts {
  readonly ground: Ground
  /** A host's agent; undefined when it is dead. */
  agent(host: HostName): Agent | undefined
  /** Starts the agent of a host; resolves when it is up. */
  startAgent(host: HostName): Promise<void>
  /** The API's move of a VM's port. */
  movePort(vm: string, to: HostName): Promise<void>
  /** Before anything happens. */
  begin(fault: string): Promise<void>
}

const READY_MS = 30_000

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
   * The agent's thread ends in the middle of whatever it does, and every cable goes down. Agents
   * are threads of the demo's one process, so it is no kill -9; it says as little goodbye.
   */
  kill(name: unknown): Promise<string> {
    return this.#next(async () => {
      const gateway = gatewayOf(name)
      if (this.#dead.has(gateway)) throw conflict(fault('host', name, 'a gateway that is alive'))
      const other = gateways.find(each => each !== gateway && !this.#dead.has(each))
      if (other === undefined)
        throw conflict(fault('host', name, 'one of two: the other gateway is dead already'))
      const { ground, begin, agent } = this.#parts
      await begin(`kill ${gateway}`)
      this.#dead.add(gateway)
      const [cables] = await Promise.all([
        ground.cut(gateway),
        agent(gateway)?.kill(),
        ground.returnBy(other)
      ])
      return `${gateway} is dead: its agent, and ${cables} cables; the outside answers by ${other}`
    })
  }

  /** A dead gateway comes back; throws when it is none. */
  restore(name: unknown): Promise<string> {
    return this.#next(async () => {
      const gateway = gatewayOf(name)
      if (!this.#dead.has(gateway)) throw conflict(fault('host', name, 'a gateway that is dead'))
      const { ground, begin } = this.#parts
      await begin(`restore ${gateway}`)
      await ground.mend(gateway)
      await this.#start(gateway)
      this.#dead.delete(gateway)
      const back = this.#dead.size === 0 ? 'gateway2' : gateway
      await ground.returnBy(back)
      return `${gateway} is back; the outside answers by ${back}`
    })
  }

  /** A host's agent ends and a new one takes over; throws when the host is dead. */
  restart(name: unknown): Promise<string> {
    return this.#next(async () => {
      const host = hosts.find(each => each === name)
      if (host === undefined) throw unknown('host', name, hosts)
      if (this.#dead.has(host)) throw conflict(fault('host', name, 'a host that is alive'))
      const { agent, begin } = this.#parts
      await begin(`restart ${host}`)
      await agent(host)?.kill()
      await this.#start(host)
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
      const { ground, begin, movePort } = this.#parts
      await begin(`move ${vm.name} ${host}`)
      this.#places.set(vm.name, host)
      await Promise.all([ground.move(vm.name, host), movePort(vm.name, host)])
      return `${vm.name} has moved from ${from} to ${host}`
    })
  }

  async #start(host: HostName): Promise<void> {
    await this.#parts.startAgent(host)
    const bound = async (): Promise<boolean> => {
      const status = await this.#parts.agent(host)?.status()
      return status !== undefined && status.bound > 0
    }
    await until(`the ports of ${host} are up`, bound, READY_MS)
  }

  #next<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#last.then(make)
    this.#last = made.catch(() => {})
    return made
  }
}

function gatewayOf(name: unknown): GatewayName {
  const gateway = gateways.find(each => each === name)
  if (gateway === undefined) throw unknown('host', name, gateways)
  return gateway
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
