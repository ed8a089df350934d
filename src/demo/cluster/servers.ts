// What the cluster stands on and may lose: three ZooKeeper servers, a Cassandra node, and the
// controller. By name they are killed and started again. test/lab/demo-cluster.test.ts holds it.

import { conflict } from '../../api/http/refusal.ts'
import type { Machine } from '../../lab/index.ts'
import { CassandraNode } from '../../lab/services/cassandra.ts'
import type { Place, Service } from '../../lab/services/service.ts'
import { ZooKeeperServer } from '../../lab/services/zookeeper.ts'
import type { Services } from '../faults.ts'
import type { ServiceReport } from '../report/report.ts'
import type { Program } from './program.ts'

/** The namespaces of those that are no agents. */
export const zookeepers = ['zookeeper1', 'zookeeper2', 'zookeeper3'] as const
/** The names of all of them. */
export const serverNames = [...zookeepers, 'cassandra', 'controller'] as const

const ZOOKEEPER_PORTS = [2181, 2281, 2888, 3888]
const CASSANDRA_PORTS = [9042, 7000]
const ALL = 'zookeeper'
const LEADER = 'leader'

/** A machine, and its address in the underlay. */
export interface Placed {
  readonly machine: Machine
  /** IPv4. */
  readonly address: string
}

interface Startable {
  start(): Promise<void>
  kill(): Promise<void>
}

/** The servers of the cluster. */
export class Servers implements Services {
  /** Their own, `zookeeper` for all of the ensemble, and `leader` for whichever leads it. */
  readonly names = [...serverNames, ALL, LEADER]
  readonly kinds = [ALL]
  /** Where agents back flow state up. */
  readonly cassandra: CassandraNode
  readonly #ensemble: ReadonlyMap<string, ZooKeeperServer>
  readonly #dead = new Set<string>()
  #controller: Program | null = null
  #roles: ReadonlyMap<string, string> = new Map()

  /** Makes all but the controller; `placed` gives the namespace of each by name. */
  static async make(placed: (name: string) => Placed): Promise<Servers> {
    const places = zookeepers.map(name => placeOf(placed(name), ZOOKEEPER_PORTS))
    const ensemble = await ZooKeeperServer.ensemble(places)
    try {
      const cassandra = await CassandraNode.make(placeOf(placed('cassandra'), CASSANDRA_PORTS))
      return new Servers(ensemble, cassandra)
    } catch (error) {
      await Promise.all(ensemble.map(each => each.close()))
      throw error
    }
  }

  private constructor(ensemble: readonly ZooKeeperServer[], cassandra: CassandraNode) {
    this.#ensemble = new Map(zookeepers.map((name, i) => [name, ensemble[i]!]))
    this.cassandra = cassandra
  }

  /** Starts them; throws LabError when one does not serve, or they are closed meanwhile. */
  async start(): Promise<void> {
    await Promise.all([...this.#ensemble.values(), this.cassandra].map(each => each.start()))
  }

  /** As the settings of a store name them. */
  get addresses(): string[] {
    return [...this.#ensemble.values()].map(({ address, port }) => `${address}:${port}`)
  }

  /** The controller, once there is one. */
  set controller(program: Program) {
    this.#controller = program
  }

  /** All of them, as they were looked at last. */
  get reports(): ServiceReport[] {
    return serverNames.map(name => {
      const alive = !this.#dead.has(name)
      return { name, alive, role: alive ? (this.#roles.get(name) ?? '') : '' }
    })
  }

  /** Looks which of the ensemble leads. */
  async refresh(): Promise<void> {
    const roles = [...this.#ensemble].map(async ([name, server]) => {
      if (this.#dead.has(name)) return [name, ''] as const
      return [name, /^Mode: (\w+)/m.exec(await server.ask('srvr'))?.[1] ?? 'not serving'] as const
    })
    this.#roles = new Map(await Promise.all(roles))
  }

  async kill(name: string): Promise<string> {
    const found = (await this.#named(name)).filter(each => !this.#dead.has(each))
    if (found.length === 0)
      throw conflict({ field: 'host', value: name, expected: 'one that is alive' })
    for (const each of found) this.#dead.add(each)
    await Promise.all(found.map(each => this.#one(each).kill()))
    return `${found.join(', ')} ${found.length === 1 ? 'is' : 'are'} dead`
  }

  async restore(name: string): Promise<string> {
    const isAny = name === ALL || name === LEADER
    const named = isAny ? zookeepers : [name]
    const found = named.filter(each => this.#dead.has(each))
    if (found.length === 0)
      throw conflict({ field: 'host', value: name, expected: 'one that is dead' })
    // A server of an ensemble serves when most of it are there: those that start do so together.
    await Promise.all(
      found.map(async each => {
        await this.#one(each).start()
        this.#dead.delete(each)
      })
    )
    return `${found.join(', ')} ${found.length === 1 ? 'is' : 'are'} back`
  }

  /** Ends all but the controller, and removes what they have written. */
  async close(): Promise<void> {
    await Promise.all([...this.#ensemble.values(), this.cassandra].map(each => each.close()))
  }

  async #named(name: string): Promise<readonly string[]> {
    if (name === ALL) return zookeepers
    if (name !== LEADER) return [name]
    await this.refresh()
    return zookeepers.filter(each => this.#roles.get(each) === 'leader')
  }

  #one(name: string): Startable {
    if (name === 'controller') return this.#controller!
    const service: Service = this.#ensemble.get(name) ?? this.cassandra
    return service
  }
}

const placeOf = ({ machine, address }: Placed, ports: readonly number[]): Place => ({
  address,
  ports,
  enter: ['nsenter', `--net=${machine.path}`]
})
