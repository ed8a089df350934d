// Crowds of every class and direction on a ground, what is done to them, and what they say of it.

import { setTimeout as sleep } from 'node:timers/promises'
import { Crowd, type Talker } from '../../../src/lab/index.ts'
import { type Class, classes, type Ground } from './ground.ts'

export interface Outcome {
  readonly fault: string
  readonly class: Class
  readonly speaks: Talker
  readonly total: number
  readonly survived: number
  readonly gap_ms_p50: number
  readonly gap_ms_p99: number
  readonly why: readonly string[]
}

export interface Fault {
  readonly name: string
  /** What happens while the connections go on. */
  readonly happen: (ground: Ground) => Promise<void>
  /** What has to be put right before the next fault. */
  readonly after?: (ground: Ground) => Promise<void>
}

export const speakers: readonly Talker[] = ['client', 'server']
// Time for TCP to notice: its timer backs off to this and more while nothing gets through, and
// doubles each time. What is silent still has as long as the bound.
const SETTLE_MS = 2500
const SETTLED_MS = 30_000
const STEADY_MS = 500
const WHY_MAX = 3

/** What every fault is tried on: `each` connections of each class in each direction. */
export class Crowds {
  readonly #ground: Ground
  readonly #crowds: { of: Class; speaks: Talker; crowd: Crowd }[] = []

  /** `everyMs`: between two records of a connection. */
  static async open(
    ground: Ground,
    each: number,
    of: readonly Class[] = classes,
    everyMs = 40
  ): Promise<Crowds> {
    const crowds = new Crowds(ground)
    for (const name of of)
      for (const speaks of speakers) {
        const { from, to } = ground.client(name)
        const server = ground.servers.get(name)!
        const crowd = await Crowd.open(from, { server, to, speaks, count: each, everyMs })
        crowds.#crowds.push({ of: name, speaks, crowd })
      }
    return crowds
  }

  private constructor(ground: Ground) {
    this.#ground = ground
  }

  async suffer(fault: Fault): Promise<Outcome[]> {
    await sleep(STEADY_MS)
    for (const { crowd } of this.#crowds) crowd.mark()
    await fault.happen(this.#ground)
    const endMs = performance.now() + SETTLED_MS
    let outcomes: Outcome[]
    do {
      await sleep(SETTLE_MS)
      outcomes = await this.#outcomes(fault)
    } while (outcomes.some(({ survived, total }) => survived < total) && performance.now() < endMs)
    await fault.after?.(this.#ground)
    return outcomes
  }

  async #outcomes(fault: Fault): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    for (const { of, speaks, crowd } of this.#crowds) {
      const { total, survived, gapsMs, faults } = await crowd.report()
      const gaps = { gap_ms_p50: quantile(gapsMs, 0.5), gap_ms_p99: quantile(gapsMs, 0.99) }
      const why = [...new Set(faults)].slice(0, WHY_MAX)
      outcomes.push({ fault: fault.name, class: of, speaks, total, survived, ...gaps, why })
    }
    return outcomes
  }

  async close(): Promise<void> {
    await Promise.all(this.#crowds.map(({ crowd }) => crowd.close()))
  }
}

function quantile(sorted: readonly number[], q: number): number {
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * q))
  return Math.round((sorted[at] ?? -1) * 10) / 10
}
