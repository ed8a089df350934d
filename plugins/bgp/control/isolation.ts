// Whether this host is cut off: no other host answers it, and nothing is bound here that it could
// serve alone. What comes to such a gateway goes nowhere, however well its uplinks are; alone among
// several it cannot be mistaken, for if all others are dead nothing is lost by it either.
// isolation.test.ts holds it.

import type { OtherHosts } from '../../../src/control.ts'

const LOOKS = 2 // in a row: an agent that stood still hears nobody for a moment

/** Looked at as often as `look` is called. */
export class Isolation {
  readonly #others: OtherHosts
  readonly #served = new Set<string>() // ports beside uplinks
  #silent = 0 // looks in a row

  constructor(others: OtherHosts) {
    this.#others = others
  }

  /** As the last looks have shown. */
  get isCutOff(): boolean {
    return this.#silent >= LOOKS && this.#served.size === 0
  }

  /** A port that is no uplink is active here, or is not any more. */
  serves(port: string, isActive: boolean): void {
    if (isActive) this.#served.add(port)
    else this.#served.delete(port)
  }

  /** What cannot be found out is as it was. */
  async look(): Promise<void> {
    const others = await this.#others.list().catch(() => null)
    if (others === null) return
    const isSilent = others.length > 0 && others.every(({ alive }) => !alive)
    this.#silent = isSilent ? this.#silent + 1 : 0
  }
}
