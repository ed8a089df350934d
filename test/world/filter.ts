// Runs one chain on one packet, without a walk around it: a real view, whose store is the world's
// hub, and the real context.

import { VirtualClock } from '../../src/core/clock.ts'
import { extract } from '../../src/flow/extract.ts'
import { WORDS } from '../../src/flow/key.ts'
import type { Plugin } from '../../src/plugin.ts'
import { SimulationContext, Verdict } from '../../src/simulation/context.ts'
import type { Port } from '../../src/simulation/device.ts'
import { LineTrace } from '../../src/simulation/trace.ts'
import type { DeviceFactory } from '../../src/topology/factory.ts'
import { TopologyView } from '../../src/topology/view.ts'
import { Hub, type WorldObject } from './hub.ts'

const WAITS_MAX = 100

// Where the packet is when the chain runs.
export interface Place {
  readonly inPort?: string
  readonly outPort?: string
  readonly entry?: string
}

export class FilterBench {
  readonly clock = new VirtualClock()
  readonly hub = new Hub(this.clock)
  readonly ctx: SimulationContext
  readonly trace = new LineTrace()
  readonly stale: number[] = []
  readonly #view: TopologyView

  constructor(plugin: Plugin, objects: readonly WorldObject[]) {
    for (const { kind, value } of objects) this.hub.put(kind, value)
    const factories = new Map<string, DeviceFactory>()
    const registry = {
      device: (kind: string, factory: DeviceFactory) => void factories.set(kind, factory),
      provide: () => {}
    }
    plugin.setup({}, registry, {})
    this.#view = new TopologyView(
      factories,
      this.hub.link('bench', () => this.#view),
      { stale: tags => this.stale.push(...tags), wake: () => {}, changed: () => {} },
      this.clock
    )
    this.ctx = new SimulationContext(this.#view)
    this.clock.advance(1)
  }

  run(chain: string, frame: Uint8Array, place: Place = {}): Verdict {
    const { ctx } = this
    for (let i = 0; i < WAITS_MAX; i++) {
      const key = new Int32Array(WORDS)
      const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
      extract(key, 0, 1, 0, 0, view, 0, frame.length)
      ctx.key.load(key, 0)
      ctx.begin(this.clock.now(), view, 0, frame.length)
      ctx.trace = this.trace
      this.trace.lines.length = 0
      ctx.inPort = portCalled(place.inPort ?? 'in')
      ctx.outPort = place.outPort === undefined ? null : portCalled(place.outPort)
      ctx.entry = place.entry ?? ''
      const verdict = ctx.filter(chain)
      if (verdict !== Verdict.postpone) return verdict
      this.clock.advance(1)
    }
    throw new Error(`the chain still waits for ${ctx.waitingFor}`)
  }
}

const portCalled = (id: string): Port => ({ id }) as Port
