// How many records each port holds, by the port its openers' packets come in by, and which goes
// when there is no room.  In this order: what nobody answered or is over, of the newcomer's port;
// of a port that holds its fair share or more; anything of such a port; anything at all.  No one
// loses what is established to others while he holds less than they.
// native/addon/state/evict.c says the same. test/state/memory-table.test.ts holds it.

import { less } from '../core/assert.ts'

/** A record that may go; `goesBefore` says which of two. */
export interface Candidate {
  /** The record's slot. */
  readonly id: number
  /** 0 goes first: see `Holders.rank`. */
  readonly rank: number
  /** How many records its port holds. */
  readonly held: number
  /** When it would end of itself, ms. */
  readonly deadline: number
}

/** Candidates of this rank or below are of a port that holds its share, or of the newcomer's. */
export const RICH = 2

/** How many records each port holds. */
export class Holders {
  readonly #counts = new Map<number, number>() // by the port's number

  /** Records of the port with this number. */
  heldBy(port: number): number {
    return this.#counts.get(port) ?? 0
  }

  /** The port has one more. */
  hold(port: number): void {
    this.#counts.set(port, this.heldBy(port) + 1)
  }

  /** The port has one less. */
  letGo(port: number): void {
    const left = less(this.heldBy(port), 1, 'records of a port')
    if (left > 0) this.#counts.set(port, left)
    else this.#counts.delete(port)
  }

  /** No port holds any. */
  clear(): void {
    this.#counts.clear()
  }

  /** Of a record of this port in a table of so many, for one that comes in by `newcomer`. */
  rank(port: number, isIdle: boolean, size: number, newcomer: number): number {
    if (isIdle && port === newcomer) return 0
    const isRich = this.heldBy(port) * this.#counts.size >= size
    if (isRich) return isIdle ? 1 : RICH
    return isIdle ? 3 : 4
  }
}

/** Whether `a` has to make room rather than `b`. */
export function goesBefore(a: Candidate, b: Candidate): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank
  return a.held === b.held ? a.deadline < b.deadline : a.held > b.held
}
