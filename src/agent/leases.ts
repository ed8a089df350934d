// Leases of the store, on both sides of the thread: the packet thread knows what it holds and asks
// for more; the main thread asks the store and keeps what has to be given back.  A pool has one
// question at a time, so the pool's name tells answers apart.

import type { Clock } from '../core/clock.ts'
import { MezzoError, reasonOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Leases } from '../simulation/leases.ts'
import { hostWord } from '../state/record.ts'
import type { Lease, Store } from '../topology/store.ts'

export interface LeaseAsked {
  readonly pool: string
  readonly blocks: number
  readonly block: number | undefined
  readonly first: number
}

/** Where questions go; answers come back by `answered`. */
export interface LeaseLink {
  ask(asked: LeaseAsked): void
  release(pool: string, block: number): void
}

type Done = (block: number | undefined) => void

/** Of a host without a store: there is nothing to be had. */
export const noLeases = (clock: Clock, held: () => HeldLeases): LeaseLink => ({
  ask: ({ pool }) => clock.soon(() => held().answered(pool, undefined)),
  release: () => {}
})

/** The packet side. */
export class HeldLeases implements Leases {
  readonly holder: number
  readonly #link: LeaseLink
  readonly #held = new Map<string, number[]>()
  readonly #asked = new Map<string, Done>()
  readonly #listeners: ((pool: string, block: number) => void)[] = []

  constructor(link: LeaseLink, host: string) {
    this.holder = hostWord(host)
    this.#link = link
  }

  held(pool: string): readonly number[] {
    return this.#held.get(pool) ?? []
  }

  take(pool: string, blocks: number, done: Done, block?: number, first = 0): void {
    if (this.#asked.has(pool)) return done(undefined)
    this.#asked.set(pool, done)
    this.#link.ask({ pool, blocks, block, first })
  }

  release(pool: string, block: number): void {
    if (this.#drop(pool, block)) this.#link.release(pool, block)
  }

  onLost(fire: (pool: string, block: number) => void): void {
    this.#listeners.push(fire)
  }

  // --- from the store ---

  answered(pool: string, block: number | undefined): void {
    const done = this.#asked.get(pool)
    this.#asked.delete(pool)
    if (block !== undefined) this.#held.set(pool, [...this.held(pool), block])
    done?.(block)
  }

  /** The session is over, and with it all that it held. */
  lostAll(): void {
    for (const [pool, blocks] of [...this.#held])
      for (const block of [...blocks]) {
        this.#drop(pool, block)
        for (const fire of this.#listeners) fire(pool, block)
      }
  }

  #drop(pool: string, block: number): boolean {
    const held = this.held(pool)
    const rest = held.filter(each => each !== block)
    if (rest.length === 0) this.#held.delete(pool)
    else this.#held.set(pool, rest)
    return rest.length < held.length
  }
}

/** The store's side. */
export class LeaseDesk {
  readonly #store: Pick<Store, 'lease'>
  readonly #log: Log
  readonly #packets: Pick<HeldLeases, 'answered' | 'lostAll'>
  readonly #leases = new Map<string, Lease>()

  constructor(
    store: Pick<Store, 'lease'>,
    log: Log,
    packets: Pick<HeldLeases, 'answered' | 'lostAll'>
  ) {
    this.#store = store
    this.#log = log
    this.#packets = packets
  }

  async ask({ pool, blocks, block, first }: LeaseAsked): Promise<void> {
    try {
      // Of one block it is a seat, which anybody may take when its holder is gone.
      const lease = await this.#store.lease(pool, blocks, { block, first, lingers: blocks > 1 })
      if (lease !== undefined) this.#leases.set(nameOf(pool, lease.block), lease)
      this.#packets.answered(pool, lease?.block)
    } catch (error) {
      this.#failed(error)
      this.#packets.answered(pool, undefined)
    }
  }

  async release(pool: string, block: number): Promise<void> {
    const name = nameOf(pool, block)
    const lease = this.#leases.get(name)
    this.#leases.delete(name)
    try {
      await lease?.release()
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    this.#log.warn({ reason: reasonOf(error) }, 'leases cannot be had')
    if (!(error instanceof MezzoError) || error.code !== 'SESSION_LOST') return
    this.#leases.clear()
    this.#packets.lostAll()
  }
}

const nameOf = (pool: string, block: number): string => `${pool}/${block}`
