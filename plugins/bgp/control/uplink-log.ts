// What becomes of one uplink port, for those who look at the log of a day: sessions that come up,
// fall, or do not come up at all, and networks that are not announced. uplink-log.test.ts holds it.

import type { Clock, Log } from '../../../src/control.ts'
import type { SessionState } from '../engine/engine.ts'
import type { PlannedNetwork } from './plan.ts'

const MISSED_MS = 10_000 // a session needs a second, with another attempt 5 s more
const SHOWN_MAX = 16

/** Writes for one port. */
export class UplinkLog {
  readonly #log: Log
  readonly #clock: Clock
  readonly #port: string
  readonly #missedMs = new Map<string, number>() // when it is said, Infinity: it was
  #established = new Set<string>()
  #withheld = ''

  constructor(log: Log, clock: Clock, port: string) {
    this.#log = log
    this.#clock = clock
    this.#port = port
  }

  /** How the sessions are now; `isShut`: those that an operator does not want. */
  sessions(all: readonly SessionState[], isShut: (address: string) => boolean): void {
    for (const session of all) this.#session(session, isShut(session.address))
    const addresses = new Set(all.map(({ address }) => address))
    for (const gone of this.#missedMs.keys()) if (!addresses.has(gone)) this.#missedMs.delete(gone)
    const up = all.filter(({ state }) => state === 'established')
    this.#established = new Set(up.map(({ address }) => address))
  }

  /** What is announced from now on, and what is not. */
  networks(all: readonly PlannedNetwork[]): void {
    const withheld = all.filter(({ reasons }) => reasons.length > 0)
    const said = withheld.map(({ prefix, reasons }) => `${prefix}: ${reasons.join(', ')}`)
    const text = said.join('\n')
    if (text === this.#withheld) return
    this.#withheld = text
    const told = { port: this.#port, count: said.length, networks: said.slice(0, SHOWN_MAX) }
    if (said.length > 0) this.#log.info(told, 'networks that are not announced')
    else this.#log.info({ port: this.#port }, 'all networks are announced')
  }

  #session({ address, state, lastError: reason }: SessionState, isShut: boolean): void {
    const [wasUp, isUp] = [this.#established.has(address), state === 'established']
    const told = { port: this.#port, peer: address }
    if (isUp && !wasUp) this.#log.info(told, 'a BGP session is established')
    if (wasUp && !isUp) this.#log.warn({ ...told, state, reason }, 'a BGP session is over')
    if (isUp || isShut || wasUp) {
      this.#missedMs.set(address, isShut ? this.#clock.now() + MISSED_MS : Infinity)
      return
    }
    const missedMs = this.#missedMs.get(address) ?? this.#clock.now() + MISSED_MS
    const isMissed = this.#clock.now() >= missedMs
    this.#missedMs.set(address, isMissed ? Infinity : missedMs)
    if (isMissed) this.#log.warn({ ...told, state, reason }, 'a BGP session does not come up')
  }
}
