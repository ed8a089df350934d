// The hosts that have stopped answering, for plugins.

import type { HostLiveness } from '../../simulation/services/host-liveness.ts'
import type { HostEvents } from '../events.ts'

/** Which hosts have stopped answering, for plugins. */
export class PeerLiveness implements HostLiveness {
  readonly #dead = new Set<string>()
  readonly #listeners: ((host: string) => void)[] = []

  constructor(events: HostEvents) {
    events.peer.on((host, alive) => this.#heard(host, alive))
  }

  isDead(host: string): boolean {
    return this.#dead.has(host)
  }

  onChange(fire: (host: string) => void): void {
    this.#listeners.push(fire)
  }

  #heard(host: string, alive: boolean): void {
    if (this.#dead.has(host) !== alive) return
    if (alive) this.#dead.delete(host)
    else this.#dead.add(host)
    for (const fire of this.#listeners) fire(host)
  }
}
