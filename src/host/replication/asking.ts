// What a walk did not find may be known to other hosts of its port's groups: they are asked, once
// for a packet, which waits for the answer. test/state/replication.test.ts holds it.

import type { SimulationContext } from '../../simulation/context.ts'
import type { Puller } from '../../simulation/device.ts'
import type { Exchange } from '../../state/exchange/exchange.ts'
import { KEY_WORDS, KeyWord } from '../../state/record.ts'
import { Protocol } from '../../wire/protocol.ts'
import * as tcp from '../../wire/tcp.ts'
import { waitForPull } from '../waits.ts'
import type { ReplicationTargets } from './targets.ts'

// Whoever sends packets for which nobody has state could make us ask as often.
const PULLS_PER_S_MAX = 1000

/** Asks other hosts for records that a walk did not find. */
export class Asking implements Puller {
  readonly #exchange: Exchange | null
  readonly #targets: ReplicationTargets
  #credit = PULLS_PER_S_MAX
  #earnedMs = 0

  constructor(exchange: Exchange | null, targets: ReplicationTargets) {
    this.#exchange = exchange
    this.#targets = targets
  }

  /** Whether other hosts might have what this walk did not find. */
  canPull(ctx: SimulationContext): boolean {
    const exchange = this.#exchange
    if (exchange === null || ctx.entryPort === null || ctx.state.missCount === 0) return false
    const isTcp = (ctx.state.misses[KeyWord.type]! & 255) === Protocol.tcp
    if (isTcp && tcp.opens(ctx.tcpFlagsUnseen)) return false // nobody can have its state
    const peers = this.#targets.of(ctx.entryPort, [])
    return peers?.some(peer => exchange.isReady(peer)) === true
  }

  /**
   * Asks the peers for the records that the walk lacked, once for a packet. Gives the cause to wait
   * for; '' when nobody can be asked, or too much was asked already.
   */
  pull(ctx: SimulationContext): string {
    if (ctx.pulled || !this.canPull(ctx) || !this.#mayAsk(ctx.now)) return ''
    const exchange = this.#exchange!
    const peers = this.#targets.of(ctx.entryPort, [])!.filter(peer => exchange.isReady(peer))
    const { misses, missCount } = ctx.state
    let ticket = 0
    for (let i = 0; i < missCount; i++) ticket = exchange.pull(misses, i * KEY_WORDS, peers)
    return ticket === 0 ? '' : waitForPull(ticket)
  }

  // Tickets are answered in order: the last stands for all of a packet's.
  #mayAsk(now: number): boolean {
    const earned = ((now - this.#earnedMs) * PULLS_PER_S_MAX) / 1000
    this.#earnedMs = now
    this.#credit = Math.min(PULLS_PER_S_MAX, this.#credit + earned)
    if (this.#credit < 1) return false
    this.#credit--
    return true
  }
}
