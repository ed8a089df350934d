// The control sides of the plugins on one host: made when its agent has started, stopped before it
// stops. test/plugins/stranger.test.ts holds it.

import { Clock } from '../../core/clock.ts'
import { visible } from '../../core/config/visible.ts'
import { Container, order } from '../../core/container.ts'
import { Counters, type CountersSnapshot, CounterTable } from '../../core/counters.ts'
import { fail } from '../../core/errors.ts'
import { Lifecycle } from '../../core/lifecycle.ts'
import { Log } from '../../core/log.ts'
import { Random } from '../../core/random.ts'
import type { Token } from '../../core/token.ts'
import { Store } from '../../topology/store.ts'
import {
  type AnswerRequest,
  Api,
  type Control,
  type ControlRequest,
  Notes,
  type Provide,
  ThisHost
} from './control.ts'
import { OtherHosts, type PeerState } from './other-hosts.ts'
import { PortActivity, PortWatch } from './port-watch.ts'
import { Processes, Supervisor, supervisorCounters } from './processes.ts'
import { type PacketThread, Punt, ThreadPunt } from './punt.ts'

/** What control sides are made of. */
export interface ControlSideParts {
  readonly controls: readonly Control[]
  /** By plugin, complete; plugins that are not there do not run on this host. */
  readonly settings: Readonly<Record<string, Record<string, unknown>>>
  readonly host: ThisHost
  /** The agent's own session: what a control side owns goes when the agent does. */
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The packet thread. */
  readonly asks: PacketThread
}

const own = new Set<Token<unknown>>([
  ...[ThisHost, OtherHosts, Store, Clock, Random, Log, Counters, PortActivity, Processes, Punt],
  ...[Api, Notes]
])

// What a host says of itself has so much room.
const NOTES_MAX = 4
const NOTE_LENGTH_MAX = 160

/** All control sides of one host. */
export class ControlSide {
  /** Which packets of this host's uplink ports go beside the walk. */
  readonly punt: Punt
  readonly #counters = new CounterTable()
  readonly #lives: Lifecycle
  readonly #provided: [Token<unknown>, unknown][] = []
  readonly #notes = new Map<string, readonly string[]>() // by plugin
  readonly #answers = new Map<string, AnswerRequest>() // by plugin and route

  /** Sets the control sides up. Throws MISSING_SERVICE for a need that nobody answers. */
  constructor(parts: ControlSideParts) {
    this.#lives = new Lifecycle(parts.clock)
    this.punt = new ThreadPunt(parts.asks)
    const shared = { ...parts, counters: supervisorCounters(this.#counters) }
    const here = parts.controls.filter(({ name }) => parts.settings[name] !== undefined)
    for (const control of order(here, token => (own.has(token) ? 'core' : undefined))) {
      const settings = parts.settings[control.name]!
      const log = parts.log.room(control.name)
      const processes = new Supervisor({ clock: parts.clock, log, counters: shared.counters })
      const container = this.#servicesOf(control, { ...parts, log }, processes)
      const provide: Provide = (token, service) => this.#provided.push([token, service])
      const running = control.setup(container.give(control), settings, provide)
      for (const token of control.provides ?? [])
        if (!this.#provided.some(([known]) => known === token))
          throw fail('UNKEPT_PROMISE', { unit: control.name, service: token.name })
      this.#lives.add(`the programs of ${control.name}`, { stop: () => processes.close() })
      if (running !== undefined) this.#lives.add(control.name, running)
    }
  }

  /** What an operator should know. */
  get notes(): string[] {
    const all = [...this.#notes].flatMap(([plugin, notes]) => notes.map(n => `${plugin}: ${n}`))
    return all.slice(0, NOTES_MAX).map(note => visible(note).slice(0, NOTE_LENGTH_MAX))
  }

  /** What they have counted. */
  get counters(): CountersSnapshot {
    return this.#counters.snapshot()
  }

  /** Rejects with the fault of one that did not start; those before it are stopped again. */
  start(): Promise<void> {
    return this.#lives.start()
  }

  /** Ends them, and the programs they keep running. */
  stop(): Promise<void> {
    return this.#lives.stop()
  }

  /** Throws UNAVAILABLE when the plugin has said nothing of how it answers this. */
  async answer(plugin: string, route: string, request: ControlRequest): Promise<unknown> {
    const answer = this.#answers.get(`${plugin} ${route}`)
    if (answer !== undefined) return answer(request)
    throw fail('UNAVAILABLE', { what: `${route} of ${plugin}`, reason: 'it does not answer here' })
  }

  #servicesOf(control: Control, parts: ControlSideParts, processes: Processes): Container {
    const container = new Container()
    for (const [token, service] of this.#provided) container.provide(token, service)
    container.provide(ThisHost, parts.host)
    const list = () => parts.asks.ask({ name: 'peers' }) as Promise<PeerState[]>
    container.provide(OtherHosts, { list })
    container.provide(Store, parts.store)
    container.provide(Clock, parts.clock)
    container.provide(Random, parts.random)
    container.provide(Log, parts.log)
    container.provide(Counters, this.#counters)
    container.provide(PortActivity, new PortWatch(parts.store, parts.host.id))
    container.provide(Processes, processes)
    container.provide(Punt, this.punt)
    container.provide(Notes, { say: notes => void this.#notes.set(control.name, [...notes]) })
    container.provide(Api, {
      answer: (route, answer) => {
        if (!(control.routes ?? []).some(({ id }) => id === route))
          throw fail('NOT_FOUND', { kind: 'declared route', id: route })
        this.#answers.set(`${control.name} ${route}`, answer)
      }
    })
    return container
  }
}
