// What a control side asks for an uplink port whose control plane it keeps in a namespace beside
// the walk: which packets go there. The packet thread has the rules, the kernel carries them out,
// also when the agent is gone. test/lab/punt.test.ts holds it.

import { fail, reasonOf } from '../../core/errors.ts'
import { token } from '../../core/token.ts'
import { type PuntRules, readPuntRules } from '../../datapath/punt.ts'
import type { Call } from '../messages.ts'

export type { PuntRules, PuntService } from '../../datapath/punt.ts'

/** Which packets of ports of this host go beside the walk. */
export interface Punt {
  /**
   * These rules, in place of the port's others: as soon as it is bound and active here and the
   * interface is there, and as often as it is again. Rejects with INVALID, or UNAVAILABLE where the
   * datapath does not do it: then there are none.
   */
  set(port: string, rules: PuntRules): Promise<void>
  /** None any more, also of those that an earlier agent left. */
  clear(port: string): Promise<void>
}
/** Asks for it. */
export const Punt = token<Punt>('punt')

/** The thread that has a host's packets. */
export interface PacketThread {
  /** Of its datapath. */
  readonly kind: 'ebpf' | 'memory'
  /** Rejects with what went wrong there. */
  ask(call: Call): Promise<unknown>
}

/** Which packets go beside the walk, by way of the packet thread. */
export class ThreadPunt implements Punt {
  readonly #asks: PacketThread

  constructor(asks: PacketThread) {
    this.#asks = asks
  }

  async set(port: string, rules: PuntRules): Promise<void> {
    readPuntRules(rules)
    const reason = 'the memory datapath has no namespaces'
    if (this.#asks.kind === 'memory') throw fail('UNAVAILABLE', { what: whatOf(port), reason })
    await this.#tell(port, rules)
  }

  async clear(port: string): Promise<void> {
    if (this.#asks.kind === 'ebpf') await this.#tell(port, null)
  }

  async #tell(port: string, rules: PuntRules | null): Promise<void> {
    await this.#asks.ask({ name: 'punt', port, rules }).catch(error => {
      throw fail('UNAVAILABLE', { what: whatOf(port), reason: reasonOf(error) }, error)
    })
  }
}

const whatOf = (port: string): string => `the control plane of port ${port}`
