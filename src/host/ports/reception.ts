// Where packets for the agent itself are taken in, and offered to the plugins that wait for some.

import type { Counter, Counters } from '../../core/counters.ts'
import type { Visitors } from '../../simulation/visitors.ts'

export class Reception implements Visitors {
  readonly host: string
  readonly #takers: ((frame: Uint8Array) => boolean)[] = []
  readonly #visits: Counter
  readonly #unknown: Counter

  constructor(host: string, counters: Counters) {
    this.host = host
    this.#visits = counters.claim('agent.visitors', 'Packets for the agent itself')
    this.#unknown = counters.claim('agent.visitors-unknown', 'Of these, nobody waited for them')
  }

  onVisit(take: (frame: Uint8Array) => boolean): void {
    this.#takers.push(take)
  }

  receive(frame: Uint8Array): void {
    this.#visits.value++
    if (!this.#takers.some(take => take(frame))) this.#unknown.value++
  }
}
