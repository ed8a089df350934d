// Out by gateway 1 and back by gateway 2, past a policy that drops what it does not know, while
// some of the state messages are lost: short connections, counted one by one. With BGP they leave
// by all uplinks, and the routers outside prefer one gateway, then the other, in turn.

import { setTimeout as sleep } from 'node:timers/promises'
import { call } from '../../../src/lab/index.ts'
import type { NetworkOptions } from '../fixtures/index.ts'
import { GATEWAYS, Ground } from './ground.ts'
import type { Upstream } from './upstream.ts'

export interface Asymmetric {
  readonly loss_pct: number
  readonly connections: number
  readonly failed: number
  readonly syn_retransmits: number
  /** Packets that were dropped for want of state. */
  readonly wrong_drops: number
  readonly messages_lost: number
  readonly connect_us_p50: number
  readonly connect_us_p99: number
}

export interface AsymmetricOptions {
  readonly prefix: string
  readonly lossPerMille: number
  readonly connections: number
  readonly perSecond: number
  readonly atOnce?: number
  /** The gateways speak BGP. */
  readonly bgp?: boolean
  /** Settings of the agents. */
  readonly state?: NetworkOptions['state']
}

// Drops that have nothing to do with state: frames of a neighbour nobody asked for, say.
const STATE_DROPS = /^drop\.(firewall|nat|load-balancer|state)\./

export async function asymmetric(options: AsymmetricOptions): Promise<Asymmetric> {
  const { prefix, lossPerMille, connections, perSecond, atOnce, bgp = false } = options
  const { state = {} } = options
  const ground = await Ground.open({ prefix, lossPerMille, agents: { state }, bgp })
  try {
    if (!bgp) await ground.returnBy('gateway2')
    const { from, to } = ground.client('firewall')
    const { port } = ground.servers.get('firewall')!
    await call(from, to, { port, count: 10, perSecond: 10 }) // neighbours are found, code is warm
    const before = await ground.net.counters()
    const swaps = ground.upstream && new Swaps(ground.upstream)
    const calls = await call(from, to, { port, count: connections, perSecond, atOnce })
    await swaps?.end()
    const after = await ground.net.counters()
    const grown = (wanted: RegExp): number =>
      Object.keys(after)
        .filter(name => wanted.test(name))
        .reduce((sum, name) => sum + after[name]! - (before[name] ?? 0), 0)
    return {
      loss_pct: lossPerMille / 10,
      connections,
      failed: calls.failed,
      syn_retransmits: calls.synRetransmits,
      wrong_drops: grown(STATE_DROPS),
      messages_lost: grown(/^exchange\.dropped$/),
      connect_us_p50: calls.connectUsP50,
      connect_us_p99: calls.connectUsP99
    }
  } finally {
    await ground.close()
  }
}

const PREFERRED_MS = 2000 // each gateway in turn

// The routers outside prefer one gateway and then the other until it ends.
class Swaps {
  readonly #done: Promise<void>
  #isOver = false

  constructor(upstream: Upstream) {
    this.#done = this.#swap(upstream)
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#done
  }

  async #swap(upstream: Upstream): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      await upstream.prefer(GATEWAYS[i % GATEWAYS.length]!)
      await sleep(PREFERRED_MS)
    }
  }
}
