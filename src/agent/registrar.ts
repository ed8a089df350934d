// Says in the store what there is to know of a host, while its agent lives: at the start, and then
// every ten seconds what has changed; as often it looks which tunnel zones the host is to join.
// A store that is away is told later; nothing waits for it.  test/api/hosts.test.ts holds it.

import type { Clock, Timer } from '../core/clock.ts'
import type { CountersSnapshot } from '../core/counters.ts'
import { reasonOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Interface } from '../host/ports/interface.ts'
import { isInterfaceName } from '../topology/formats.ts'
import {
  hostTable,
  REGISTRATION,
  type Registration,
  SEEN,
  TOLD_MAX
} from '../topology/hosts/registration.ts'
import { isOwn } from '../topology/models.ts'
import type { Store } from '../topology/store.ts'
import { AutoJoin } from './auto-join.ts'

/** What only the program knows of a host. */
export interface HostIdentity {
  /** What its configuration calls it. */
  readonly role: string
  /** Of its Mezzo. */
  readonly version: string
  /** The machine's own name. */
  readonly machine: string
  /** Where its API listens now; undefined: nowhere. */
  readonly api: () => string | undefined
  /** Where other hosts ask it; undefined: nowhere. */
  readonly cluster: () => string | undefined
}

/** What a registrar works with. */
export interface RegistrarParts {
  /** Id of the host. */
  readonly host: string
  /** Of the agent's session, which the entry goes with. */
  readonly store: Pick<Store, 'table' | 'list' | 'write'>
  readonly clock: Clock
  readonly log: Log
  readonly identity: HostIdentity
  /** As the packet thread said them last. */
  readonly counters: () => CountersSnapshot
  /** What an operator should know. */
  readonly notes: () => readonly string[]
  /** As they are now. */
  readonly interfaces: () => Promise<readonly Interface[]>
}

const PERIOD_MS = 10_000
/** How old the word may be of when it was seen last. */
const SEEN_MS = 60_000

/** A host's entry in the store. */
export class Registrar {
  readonly #parts: RegistrarParts
  readonly #since: string
  readonly #autoJoin: AutoJoin
  #said = ''
  #fault = ''
  #seenAt = -Infinity
  #saying: Promise<void> | undefined
  #isAgain = false
  #timer: Timer | undefined
  #isStopped = false

  constructor(parts: RegistrarParts) {
    this.#parts = parts
    this.#autoJoin = new AutoJoin(parts.host, parts.store, parts.log)
    this.#since = new Date(parts.clock.wall()).toISOString()
  }

  /** Looks now, or again when it is looking; resolves when what it found is said. */
  look(): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    this.#isAgain = this.#saying !== undefined
    this.#saying ??= this.#sayAll().finally(() => {
      this.#saying = undefined
    })
    return this.#saying
  }

  /** Says nothing more. */
  close(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** Its agent is dead, and this process goes on. */
  withdraw(): void {
    if (this.#isStopped) return
    this.close()
    const { store, host } = this.#parts
    void store
      .table(hostTable(host))
      .remove(REGISTRATION)
      .catch(() => {}) // it goes with the session
  }

  /** And that it was seen now. */
  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.close()
    await this.#seen().catch(() => {}) // then what was said before stands
  }

  async #sayAll(): Promise<void> {
    do {
      this.#isAgain = false
      await this.#say().catch(error => {
        if (!this.#isStopped) this.#failed(reasonOf(error))
      })
    } while (this.#isAgain)
    if (this.#isStopped) return
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.after(PERIOD_MS, () => void this.look())
  }

  // Once, however often it is tried.
  #failed(reason: string): void {
    if (reason !== this.#fault) this.#parts.log.warn({ reason }, 'the host is not registered')
    this.#fault = reason
  }

  async #say(): Promise<void> {
    const { store, host, clock } = this.#parts
    const interfaces = await this.#parts.interfaces()
    const text = JSON.stringify(this.#registration(interfaces))
    const table = store.table(hostTable(host))
    if (text !== this.#said && !this.#isStopped) await table.put(REGISTRATION, text)
    this.#said = text
    if (clock.now() - this.#seenAt >= SEEN_MS && !this.#isStopped) await this.#seen()
    if (!this.#isStopped) await this.#autoJoin.look(interfaces)
    this.#fault = ''
  }

  async #seen(): Promise<void> {
    const { store, host, clock } = this.#parts
    await store.table(hostTable(host)).seed(SEEN, String(Math.round(clock.wall())))
    this.#seenAt = clock.now()
  }

  #registration(interfaces: readonly Interface[]): Registration {
    const { identity, counters: countersOf } = this.#parts
    const { counters, gauges } = countersOf()
    // Names that no port can have may be long in JSON: the entry would have no room for them.
    const all = interfaces.filter(
      ({ kind, name }) => kind !== 'loopback' && !isOwn(name) && isInterfaceName(name)
    )
    const addressed = all.filter(({ addresses }) => addresses.length > 0)
    const others = all.filter(({ addresses }) => addresses.length === 0)
    const { role, version, machine } = identity
    const [api, cluster] = [identity.api(), identity.cluster()]
    const notes = this.#parts.notes()
    return {
      ...{ role, version, machine, pid: process.pid, since: this.#since },
      ...(api !== undefined && { api }),
      ...(cluster !== undefined && { cluster }),
      ...(notes.length > 0 && { notes: [...notes] }),
      addresses: addressed.flatMap(({ addresses }) => addresses).slice(0, TOLD_MAX),
      interfaces: [...addressed, ...others].map(({ name }) => name).slice(0, TOLD_MAX),
      ports: gauges['agent.ports-bound'] ?? 0,
      flows: gauges['flows.live'] ?? 0,
      upcalls: counters['packets.walked'] ?? 0
    }
  }
}
