// Leases of the store as the packet side has them: it knows what it holds and asks for more by a
// link. A pool has one question at a time, so the pool's name tells answers apart.
// nat/world.test.ts holds it.

import type { Clock } from '../core/clock.ts'
import type { Leases } from '../simulation/services/leases.ts'
import { hostHash } from '../state/record.ts'

/** A question for a block of a pool. */
export interface LeaseAsked {
  /** Name of the pool. */
  readonly pool: string
  /** How many blocks it has. */
  readonly blocks: number
  /** The block that is wanted; undefined: any. */
  readonly block: number | undefined
  /** Of any, the one to begin to look at. */
  readonly first: number
}

/** Where questions go; answers come back by `answered`. */
export interface LeaseLink {
  /** Asks the store; `LeaseClient.answered` is called with what it says. */
  ask(asked: LeaseAsked): void
  /** Gives a block back. */
  release(pool: string, block: number): void
}

type Done = (block: number | undefined) => void

/** The packet side. */
export class LeaseClient implements Leases {
  readonly holder: number
  readonly #link: LeaseLink | null
  readonly #clock: Clock
  readonly #held = new Map<string, number[]>()
  readonly #asked = new Map<string, Done>()
  readonly #listeners: ((pool: string, block: number) => void)[] = []

  /** `link` is null on a host without a store: there is nothing to be had. */
  constructor(link: LeaseLink | null, host: string, clock: Clock) {
    this.#clock = clock
    this.holder = hostHash(host)
    this.#link = link
  }

  held(pool: string): readonly number[] {
    return this.#held.get(pool) ?? []
  }

  take(pool: string, blocks: number, done: Done, block?: number, first = 0): void {
    if (this.#asked.has(pool)) return done(undefined)
    this.#asked.set(pool, done)
    if (this.#link === null) this.#clock.soon(() => this.answered(pool, undefined))
    else this.#link.ask({ pool, blocks, block, first })
  }

  release(pool: string, block: number): void {
    if (this.#drop(pool, block)) this.#link?.release(pool, block)
  }

  onLost(fire: (pool: string, block: number) => void): void {
    this.#listeners.push(fire)
  }

  // --- from the store ---

  /** The store's answer: the block, or undefined when none could be had. */
  answered(pool: string, block: number | undefined): void {
    const done = this.#asked.get(pool)
    this.#asked.delete(pool)
    if (block !== undefined) this.#held.set(pool, [...this.held(pool), block])
    done?.(block)
  }

  /** The session is over, and with it all that it held. */
  lostAll(): void {
    for (const [pool, blocks] of [...this.#held])
      for (const block of [...blocks]) this.lost(pool, block)
  }

  /** It is not ours any more. */
  lost(pool: string, block: number): void {
    if (!this.#drop(pool, block)) return
    for (const fire of this.#listeners) fire(pool, block)
  }

  #drop(pool: string, block: number): boolean {
    const held = this.held(pool)
    const rest = held.filter(each => each !== block)
    if (rest.length === 0) this.#held.delete(pool)
    else this.#held.set(pool, rest)
    return rest.length < held.length
  }
}
