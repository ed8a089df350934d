// What a host may hold of something that all hosts share: blocks of translated ports, the seat of a
// checker.  Granted by the store, fenced by epochs; a walk only ever asks what is held already.

import { token } from '../../core/token.ts'

/** What a host may hold of something that all hosts share. */
export interface Leases {
  /** Who holds: hostHash of this host, as records name their owner. */
  readonly holder: number
  /** Blocks of the pool that this host holds. */
  held(pool: string): readonly number[]
  /**
   * Asks for one more of first..blocks-1, or for `block`.  `done` is called once, later: with the
   * block, or undefined when none is free or the store is away.  One question a pool at a time:
   * others are answered undefined.
   */
  take(
    pool: string,
    blocks: number,
    done: (block: number | undefined) => void,
    block?: number,
    first?: number
  ): void
  /** Gives a block back. */
  release(pool: string, block: number): void
  /** A block was lost: the session with the store is over, or somebody else holds it now. */
  onLost(fire: (pool: string, block: number) => void): void
}
export const Leases = token<Leases>('leases')
