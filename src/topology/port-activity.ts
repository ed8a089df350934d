// Which ports are active: whose interfaces are up, on hosts that answer, as far as we have heard.
// A host says so of its own ports in a shared table (`active/<port>`). What an agent said that is
// gone stands a while, and while we are young, silence is no answer either.

import type { Clock, Timer } from '../core/clock.ts'
import type { Port, PortId } from '../simulation/device.ts'
import type { PortModel } from './models.ts'
import type { Estates } from './tables/estates.ts'

export interface PortActivityParts {
  readonly clock: Clock
  readonly estates: Estates
  /** Those that are known here. */
  readonly ports: ReadonlyMap<PortId, Port>
  /** `isActive` or `isAttended` may have changed for a port. */
  readonly changed: (port: PortId) => void
}

// So long after our start, an agent that has said nothing may have died a moment before.
const YOUTH_MS = 30_000

export class PortActivity {
  readonly #parts: PortActivityParts
  readonly #deadHosts = new Set<string>()
  readonly #activeOn = new Map<PortId, string>() // host id; '' = down
  readonly #fading = new Map<PortId, object>() // whose agents' word stands a while yet
  #youth: Timer | null
  #isClosed = false

  constructor(parts: PortActivityParts) {
    this.#parts = parts
    this.#youth = parts.clock.after(YOUTH_MS, () => this.#grown())
  }

  /** Whether the interface of a bound port is up where it is bound. */
  isActive({ id, host: bound }: PortModel): boolean {
    if (bound !== undefined && this.#deadHosts.has(bound)) return false
    const host = this.#activeOn.get(id)
    return host === undefined ? this.#youth !== null : host === bound
  }

  /** Whether the agent of a port's host is there. */
  isAttended({ host }: PortModel): boolean {
    return host === undefined || !this.#parts.estates.isAway(host)
  }

  /** A host stopped answering, or answers again: its ports go with it, whatever it said. */
  hostAnswers(host: string, answers: boolean): void {
    if (this.#deadHosts.has(host) !== answers || this.#isClosed) return
    if (answers) this.#deadHosts.delete(host)
    else this.#deadHosts.add(host)
    this.#changedOn(host)
  }

  /** The agent of a host that answers is gone, or there again. */
  agentAway(host: string, isAway: boolean): void {
    const { estates } = this.#parts
    if (estates.isAway(host) === isAway || this.#isClosed) return
    estates.agentAway(host, isAway)
    this.#changedOn(host)
  }

  /** What the table says of a port: its host, '' when it is down, undefined when nobody says. */
  heard(port: PortId, host: string | undefined): void {
    this.#fading.delete(port)
    if (host === undefined) return this.#fade(port)
    if (this.#activeOn.get(port) === host) return
    this.#activeOn.set(port, host)
    this.#parts.changed(port)
  }

  close(): void {
    this.#isClosed = true
    this.#youth?.cancel()
  }

  // Whoever said it is gone. Its word stands for as long as the estate of an agent does.
  #fade(port: PortId): void {
    const word = {}
    this.#fading.set(port, word)
    this.#parts.estates.lasts(this.#activeOn.get(port) ?? '', () => {
      if (this.#fading.get(port) !== word) return
      this.#fading.delete(port)
      this.#activeOn.delete(port)
      this.#parts.changed(port)
    })
  }

  // From now on silence means that nobody is there.
  #grown(): void {
    this.#youth = null
    const { ports, changed } = this.#parts
    for (const id of [...ports.keys()]) if (!this.#activeOn.has(id)) changed(id)
  }

  #changedOn(host: string): void {
    const { ports, changed } = this.#parts
    for (const port of [...ports.values()]) if (port.host === host) changed(port.id)
  }
}
