// Which ports are active: whose interfaces are up, on hosts that answer, as far as we have heard.
// A host says so of its own ports in a shared table (`active/<host>`), which is asked for when a
// port of that host is met.  What an agent said that is gone stands a while, and while we are
// young, silence is no answer either.

import type { Clock, Timer } from '../../core/clock.ts'
import type { Port, PortId } from '../../simulation/device.ts'
import type { PortModel } from '../models.ts'
import type { Estates } from '../tables/estates.ts'

/** What this is made of. */
export interface PortActivityParts {
  readonly clock: Clock
  readonly estates: Estates
  /** Those that are known here. */
  readonly ports: ReadonlyMap<PortId, Port>
  /** `isActive` or `isAttended` may have changed for a port. */
  readonly changed: (port: PortId) => void
  /** A host is met for the first time: its word is to be listened to. */
  readonly met: (host: string) => void
  /** It is late: those who wait for it need not any longer. */
  readonly late: (host: string) => void
}

// So long after our start, an agent that has said nothing may have died a moment before.
const YOUTH_MS = 30_000
/** So long a host's word is waited for: a store that is away must not hold up packets. */
export const WORD_MS = 500

interface Word {
  isHere: boolean // all of it is
  late: Timer | null // runs while it is waited for
  readonly ports: Map<PortId, boolean> // whether it is up
  readonly fading: Map<PortId, object> // of agents that are gone: it stands a while yet
}

/** Which ports are active: whose interface is up, by what their hosts say. */
export class PortActivity {
  readonly #parts: PortActivityParts
  readonly #deadHosts = new Set<string>()
  readonly #words = new Map<string, Word>() // by host
  #youth: Timer | null
  #isClosed = false

  constructor(parts: PortActivityParts) {
    this.#parts = parts
    this.#youth = parts.clock.after(YOUTH_MS, () => this.#grown())
  }

  /** How many ports are up, by host, of the hosts that were met. */
  get counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const [host, { ports }] of this.#words)
      counts[host] = [...ports.values()].filter(isUp => isUp).length
    return counts
  }

  /** What a host says of its ports is here, or late; if it is new, it is asked. */
  isHeard(host: string): boolean {
    const { isHere, late } = this.#word(host)
    return isHere || late === null
  }

  /** Whether the interface of a bound port is up where it is bound. */
  isActive({ id, host }: PortModel): boolean {
    if (host === undefined) return this.#youth !== null
    if (this.#deadHosts.has(host)) return false
    const word = this.#word(host)
    const isUp = word.ports.get(id)
    if (isUp !== undefined) return isUp
    return this.#youth !== null || (!word.isHere && word.late === null)
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

  /** What a host says of a port: itself; '': it is down; undefined: nobody says any more. */
  heard(host: string, port: PortId, said: string | undefined): void {
    const word = this.#word(host)
    word.fading.delete(port)
    if (said === undefined) return this.#fade(host, word, port)
    const isUp = said === host
    if (word.ports.get(port) === isUp) return
    word.ports.set(port, isUp)
    this.#parts.changed(port)
  }

  /** All that a host says is here. */
  ready(host: string): void {
    const word = this.#word(host)
    const wasLate = word.late === null
    word.isHere = true
    word.late?.cancel()
    word.late = null
    if (wasLate) this.#changedOn(host) // of which silence was no answer
  }

  /** Listens no more. */
  close(): void {
    this.#isClosed = true
    this.#youth?.cancel()
    for (const { late } of this.#words.values()) late?.cancel()
  }

  #word(host: string): Word {
    let word = this.#words.get(host)
    if (word !== undefined) return word
    const { clock, met, late } = this.#parts
    word = { isHere: false, late: null, ports: new Map(), fading: new Map() }
    this.#words.set(host, word)
    const made = word
    if (!this.#isClosed)
      word.late = clock.after(WORD_MS, () => {
        made.late = null
        this.#changedOn(host)
        late(host)
      })
    met(host)
    return word
  }

  // Whoever said it is gone. Its word stands for as long as the estate of an agent does.
  #fade(host: string, { fading, ports }: Word, port: PortId): void {
    const word = {}
    fading.set(port, word)
    this.#parts.estates.lasts(ports.get(port) === true ? host : '', () => {
      if (fading.get(port) !== word) return
      fading.delete(port)
      ports.delete(port)
      this.#parts.changed(port)
    })
  }

  // From now on silence means that nobody is there.
  #grown(): void {
    this.#youth = null
    const { ports, changed } = this.#parts
    for (const { id, host } of [...ports.values()])
      if (host === null || this.#words.get(host)?.ports.has(id) !== true) changed(id)
  }

  #changedOn(host: string): void {
    const { ports, changed } = this.#parts
    for (const port of [...ports.values()]) if (port.host === host) changed(port.id)
  }
}
