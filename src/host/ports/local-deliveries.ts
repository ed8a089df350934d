// Where packets for the agent itself are taken in, and offered to the plugins that wait for some.

import type { Counter, Counters } from '../../core/counters.ts'
import type { LocalDelivery } from '../../simulation/local-delivery.ts'

/** Frames for the agent itself, offered to the plugins that wait for some. */
export class LocalDeliveries implements LocalDelivery {
  readonly host: string
  readonly #takers: ((frame: Uint8Array) => boolean)[] = []
  readonly #delivered: Counter
  readonly #unknown: Counter

  constructor(host: string, counters: Counters) {
    this.host = host
    this.#delivered = counters.claim('agent.deliveries', 'Packets for the agent itself')
    this.#unknown = counters.claim('agent.deliveries-unknown', 'Of these, nobody waited for them')
  }

  onDelivery(take: (frame: Uint8Array) => boolean): void {
    this.#takers.push(take)
  }

  /** A frame for this host; the first plugin that knows it takes it. */
  receive(frame: Uint8Array): void {
    this.#delivered.value++
    if (!this.#takers.some(take => take(frame))) this.#unknown.value++
  }
}
