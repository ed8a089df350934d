// The hosts that have stopped answering, for plugins.

import type { HostLiveness } from '../../simulation/host-liveness.ts'

export class Deaths implements HostLiveness {
  readonly #dead = new Set<string>()
  readonly #listeners: ((host: string) => void)[] = []

  isDead(host: string): boolean {
    return this.#dead.has(host)
  }

  onChange(fire: (host: string) => void): void {
    this.#listeners.push(fire)
  }

  heard(host: string, answers: boolean): void {
    if (this.#dead.has(host) !== answers) return
    if (answers) this.#dead.delete(host)
    else this.#dead.add(host)
    for (const fire of this.#listeners) fire(host)
  }
}
