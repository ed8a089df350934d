// One API for all hosts that share a store: asks the others, and answers them.  The address where
// they ask is that of the host in its tunnel zone, as long as none is set.
// test/zookeeper/one-api.test.ts holds it.

import { type Clock, type Timer, within } from '../../core/clock.ts'
import type { Counters } from '../../core/counters.ts'
import { reasonOf } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Random } from '../../core/random.ts'
import { hostTable } from '../../topology/hosts/registration.ts'
import { hostModel, tunnelZoneHostModel } from '../../topology/models.ts'
import type { Store, Watch } from '../../topology/store.ts'
import type { AgentsView } from '../agents.ts'
import { Caller } from './caller.ts'
import { ClusterAgents } from './cluster-agents.ts'
import { Credential } from './credential.ts'
import { Doorway } from './doorway.ts'
import type { EffectOf } from './questions.ts'

export type { EffectOf } from './questions.ts'

/** What it is made of. */
export interface ClusterParts {
  readonly store: Store
  /** The agents of this process. */
  readonly local: AgentsView
  /** What the routes of plugins do. */
  readonly effectOf: EffectOf
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly log: Log
}

/** Where a host is asked by others. */
export interface ClusterPlace {
  /** Id of the host. */
  readonly host: string
  /** Undefined: its address in a tunnel zone. */
  readonly address?: string | undefined
  /** 0: any that is free. */
  readonly port: number
}

const READY_MS = 5_000
const RETRY_MS = 5_000

/** This process among those that share the store. */
export class Cluster {
  /** The agents of all hosts. */
  readonly agents: AgentsView
  readonly #parts: ClusterParts
  readonly #credential: Credential
  readonly #doorway: Doorway
  readonly #addresses = new Map<string, string>() // by membership
  #place: ClusterPlace | undefined
  #moved: () => void = () => {}
  #zones: Watch | undefined
  #hosts: Watch | undefined
  readonly #followed = new Map<string, Watch>() // by host
  #wanted: string | undefined
  #moving: Promise<void> = Promise.resolve()
  #retry: Timer | undefined
  #fault = ''
  #isClosed = false

  constructor(parts: ClusterParts) {
    this.#parts = parts
    const { store, local, effectOf, random, clock, counters, log } = parts
    this.#credential = new Credential(store, random)
    const key = (): Buffer | undefined => this.#credential.key
    const caller = new Caller({ clock, key, counters })
    this.agents = new ClusterAgents({ local, store, caller, effectOf })
    this.#doorway = new Doorway({ agents: local, effectOf, key, counters, log })
  }

  /** Waits for its secret, not for ever: without it, who asks hears so. */
  async ready(): Promise<void> {
    const { clock, log } = this.#parts
    await within(clock, READY_MS, this.#credential.ready).catch(error =>
      log.warn({ reason: reasonOf(error) }, 'the cluster has no secret yet')
    )
  }

  /** Where other hosts ask; undefined: nowhere. */
  get address(): string | undefined {
    return this.#doorway.address
  }

  /** What hosts say stays known here, also while the store is away. For those who have none. */
  follow(): Promise<void> {
    const { store } = this.#parts
    this.#hosts = store.watch({ kind: hostModel.kind }, events => {
      for (const event of events) {
        const id = event.op === 'put' ? event.object.id : event.id
        if (event.op === 'delete') this.#followed.get(id)?.close()
        if (event.op === 'delete') this.#followed.delete(id)
        else if (!this.#followed.has(id))
          this.#followed.set(
            id,
            store.table(hostTable(id)).watch(() => {})
          )
      }
    })
    return this.#hosts.ready
  }

  /** Why other hosts cannot ask, when they are meant to. */
  get note(): string | undefined {
    if (this.#place === undefined || this.address !== undefined) return undefined
    const why = 'it has no address in a tunnel zone, and cluster.address is not set'
    return `other hosts cannot ask this one: ${this.#fault === '' ? why : this.#fault}`
  }

  /** Listens for other hosts; `moved` is called when it listens elsewhere. */
  async serve(place: ClusterPlace, moved: () => void): Promise<void> {
    this.#place = place
    this.#moved = moved
    if (place.address !== undefined) return this.#move(place.address)
    const { kind } = tunnelZoneHostModel
    this.#zones = this.#parts.store.watch({ kind, field: 'host', value: place.host }, events => {
      for (const event of events)
        if (event.op === 'delete') this.#addresses.delete(event.id)
        else this.#addresses.set(event.object.id, String(event.object.value.address))
      const all = [...this.#addresses.values()].sort()
      const stays = this.#wanted !== undefined && all.includes(this.#wanted)
      if (!stays && all[0] !== undefined) void this.#move(all[0])
    })
    await this.#zones.ready
    await this.#moving
  }

  /** Asks and answers no more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#zones?.close()
    this.#hosts?.close()
    for (const watch of this.#followed.values()) watch.close()
    this.#retry?.cancel()
    this.#credential.close()
    await this.#moving
    await this.#doorway.close()
  }

  #move(address: string): Promise<void> {
    this.#wanted = address
    this.#moving = this.#moving.then(() => this.#listen(address))
    return this.#moving
  }

  async #listen(host: string): Promise<void> {
    if (this.#isClosed || host !== this.#wanted) return
    const { clock, log } = this.#parts
    this.#retry?.cancel()
    try {
      await this.#doorway.open({ host, port: this.#place!.port })
      this.#fault = ''
    } catch (error) {
      if (this.#isClosed) return
      if (reasonOf(error) !== this.#fault) log.error({ err: error }, reasonOf(error))
      this.#fault = reasonOf(error)
      this.#retry = clock.after(RETRY_MS, () => void this.#move(host))
    }
    this.#moved()
  }
}
