// Runs one chain on one packet, without a walk around it: a real view on the store of the
// world, the real context, and a real table of state, which keeps what packets have written.

import { Clock, VirtualClock } from '../../src/core/clock.ts'
import { Container } from '../../src/core/container.ts'
import { Counters, CounterTable } from '../../src/core/counters.ts'
import { extract } from '../../src/flow/extract.ts'
import { WORDS } from '../../src/flow/key.ts'
import { type LeaseClient, LeaseClient as Leases } from '../../src/host/lease-client.ts'
import type { Plugin, Registry } from '../../src/plugin.ts'
import { SimulationContext } from '../../src/simulation/context.ts'
import type { Port } from '../../src/simulation/device.ts'
import { Leases as LeasesToken } from '../../src/simulation/services/leases.ts'
import { StateKinds } from '../../src/simulation/services/state-kinds.ts'
import { Walks } from '../../src/simulation/services/walks.ts'
import { LineTrace } from '../../src/simulation/trace.ts'
import { Verdict } from '../../src/simulation/verdict.ts'
import { WAIT_FOR_FIRST } from '../../src/simulation/waits.ts'
import { StateAccess } from '../../src/state/access.ts'
import { MemoryStateTable } from '../../src/state/memory-table.ts'
import { RECORD_WORDS } from '../../src/state/record.ts'
import type { DeviceFactory } from '../../src/topology/factory.ts'
import { TopologyView } from '../../src/topology/view.ts'
import { rewriteQuoted } from '../../src/wire/quoted.ts'
import { TIMEOUTS } from '../state/kinds.ts'
import { WorldLeases } from './leases.ts'
import { type WorldObject, WorldStore } from './store.ts'
import { assembly } from './world.ts'

const WAITS_MAX = 100

// Where the packet is when the chain runs.
export interface Place {
  readonly inPort?: string
  readonly outPort?: string
  readonly entry?: string
}

const CAPACITY = 4096

export class FilterBench {
  readonly clock = new VirtualClock()
  readonly store = new WorldStore(this.clock)
  readonly counters = new CounterTable()
  readonly leases: LeaseClient
  readonly table = new MemoryStateTable({
    capacity: CAPACITY,
    timeouts: TIMEOUTS,
    now: () => this.clock.now()
  })
  readonly ctx: SimulationContext
  readonly trace = new LineTrace()
  readonly stale: number[] = []
  readonly #view: TopologyView

  // Leases come from `store`, which several benches may share.
  constructor(
    plugins: Plugin | readonly Plugin[],
    objects: readonly WorldObject[],
    { settings = {}, session = 'bench', desk }: BenchOptions = {}
  ) {
    for (const { kind, value } of objects) this.store.put(kind, value)
    const lenders = desk ?? new WorldLeases()
    this.leases = new Leases(
      lenders.link(session, this.clock, () => this.leases),
      session,
      this.clock
    )
    const factories = this.#assemble([plugins].flat(), settings)
    this.#view = new TopologyView(
      factories,
      this.store.link('bench', () => this.#view),
      { outdate: tags => this.stale.push(...tags), wake: () => {}, topologyChanged: () => {} },
      this.clock,
      '',
      assembly
    )
    this.ctx = new SimulationContext(this.#view, new StateAccess(this.table))
    this.clock.advance(1)
  }

  run(chain: string, frame: Uint8Array, place: Place = {}): Verdict {
    const { ctx } = this
    let isLate = false
    for (let i = 0; i < WAITS_MAX; i++) {
      const key = new Int32Array(WORDS)
      const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
      extract(key, 0, 1, 0, 0, view, 0, frame.length)
      ctx.key.load(key, 0)
      ctx.begin(this.clock.now(), view, 0, frame.length)
      ctx.fragments.isLate = isLate
      ctx.trace = this.trace
      this.trace.lines.length = 0
      ctx.inPort = portCalled(place.inPort ?? 'in')
      ctx.outPort = place.outPort === undefined ? null : portCalled(place.outPort)
      ctx.entry = place.entry ?? ''
      const verdict = ctx.filter(chain)
      if (verdict === Verdict.forward) this.#commit()
      if (verdict !== Verdict.postpone) return verdict
      isLate = ctx.outcome.waitingFor === WAIT_FOR_FIRST // nobody brings it here
      this.clock.advance(1)
    }
    throw new Error(`the chain still waits for ${ctx.outcome.waitingFor}`)
  }

  // The packet as the chain has left it; undefined: it did not pass.
  pass(chain: string, frame: Uint8Array, place: Place = {}): Uint8Array | undefined {
    if (this.run(chain, frame, place) !== Verdict.forward) return undefined
    const { ctx } = this
    const changed = ctx.frame()!
    return ctx.quoteChanged ? rewriteQuoted(changed, ctx.quote()!) : changed
  }

  #commit(): void {
    const { state } = this.ctx
    for (let i = 0; i < state.pendingCount; i++) this.table.put(state.pending, i * RECORD_WORDS, 0)
  }

  #assemble(
    plugins: readonly Plugin[],
    settings: Record<string, Record<string, unknown>>
  ): Map<string, DeviceFactory> {
    const factories = new Map<string, DeviceFactory>()
    const container = new Container()
    const kinds = assembly.stateKinds.map(({ name }) => name)
    container.provide(Clock, this.clock)
    container.provide(Counters, this.counters)
    container.provide(LeasesToken, this.leases)
    container.provide(StateKinds, { number: name => kinds.indexOf(name) + 1 })
    container.provide(Walks, { emit: () => {}, wake: () => {}, invalidate: () => {} })
    container.assemble(plugins, (plugin, given) => {
      const registry: Registry = {
        device: (kind, factory) => void factories.set(kind, factory),
        provide: (token, service) => container.provide(token, service, plugin.name)
      }
      plugin.setup(given, registry, settings[plugin.name] ?? {})
    })
    return factories
  }
}

export interface BenchOptions {
  readonly settings?: Record<string, Record<string, unknown>>
  readonly session?: string
  readonly desk?: WorldLeases
}

const portCalled = (id: string): Port => ({ id, device: 'device' }) as Port
