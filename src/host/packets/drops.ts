// What is dropped, counted by reason.  A drop may become a flow: then the datapath drops the
// packets after it, and the flow's statistics tell how many (flow-cache.ts).

import type { Counter, Counters } from '../../core/counters.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import type { ActionList } from '../../flow/actions.ts'
import type { SimulationContext } from '../../simulation/context.ts'

/** The reason of packets for a port that is at no host. */
export const UNREACHABLE = 'agent.unreachable-port'

/** Counts what is dropped, by reason. */
export class Drops {
  readonly #counters: Counters
  readonly #datapath: Datapath
  readonly #ctx: SimulationContext

  constructor(counters: Counters, datapath: Datapath, ctx: SimulationContext) {
    this.#counters = counters
    this.#datapath = datapath
    this.#ctx = ctx
  }

  /** The packet that is walked, or one of our own. */
  count(reason: string): void {
    this.#datapath.dropped?.(this.#ctx.raw(), reason)
    this.#of(reason).value++
  }

  /** What counts the packets of a flow with this outcome; null: it drops none. */
  ofFlow(actions: ActionList): Counter | null {
    return actions.count > 0 ? null : this.#of(this.#ctx.outcome.dropReason || UNREACHABLE)
  }

  #of(reason: string): Counter {
    return this.#counters.claim(`drop.${reason}`)
  }
}
