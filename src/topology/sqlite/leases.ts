// Leases of numbered blocks.  The row of a block stays for ever, so that its epoch grows with each
// grant; a release that names an older epoch changes nothing.

import { fail, show } from '../../core/errors.ts'
import type { Random } from '../../core/random.ts'
import type { Database } from './database.ts'

export interface Grant {
  readonly block: number
  readonly epoch: number
}

/** `block`, or any of first..blocks-1. */
export interface Asked {
  readonly first: number
  readonly blocks: number
  readonly block: number | undefined
}

const BLOCKS_MAX = 65_536

export class Leases {
  readonly #database: Database
  readonly #random: Random

  constructor(database: Database, random: Random) {
    this.#database = database
    this.#random = random
  }

  grant(session: string, pool: string, asked: Asked): Grant | undefined {
    checkRange(asked)
    const chosen = asked.block === undefined ? this.#choose(pool, asked) : asked.block
    if (chosen === undefined || this.#holder(pool, chosen) !== null) return undefined
    const sql = `INSERT INTO leases (pool, block, epoch, session) VALUES (?, ?, 1, ?)
                 ON CONFLICT DO UPDATE SET epoch = epoch + 1, session = excluded.session
                 RETURNING epoch`
    const { epoch } = this.#database.get<{ epoch: number }>(sql, pool, chosen, session)!
    return { block: chosen, epoch }
  }

  release(session: string, pool: string, { block, epoch }: Grant): void {
    const sql = `UPDATE leases SET session = NULL
                 WHERE pool = ? AND block = ? AND epoch = ? AND session = ?`
    this.#database.run(sql, pool, block, epoch, session)
  }

  forget(session: string): void {
    this.#database.run('UPDATE leases SET session = NULL WHERE session = ?', session)
  }

  #holder(pool: string, block: number): string | null {
    const sql = 'SELECT session FROM leases WHERE pool = ? AND block = ?'
    return this.#database.get<{ session: string | null }>(sql, pool, block)?.session ?? null
  }

  // Any free block with the same chance.
  #choose(pool: string, { first, blocks }: Asked): number | undefined {
    const sql = `SELECT block FROM leases
                 WHERE pool = ? AND session IS NOT NULL AND block >= ? AND block < ?
                 ORDER BY block`
    const taken = this.#database.all<{ block: number }>(sql, pool, first, blocks)
    if (taken.length >= blocks - first) return undefined
    let chosen = first + this.#random.below(blocks - first - taken.length)
    for (const { block } of taken) {
      if (block > chosen) break
      chosen++
    }
    return chosen
  }
}

function checkRange({ first, blocks, block }: Asked): void {
  if (!Number.isInteger(blocks) || blocks < 1 || blocks > BLOCKS_MAX) {
    const expected = `a whole number from 1 to ${BLOCKS_MAX}`
    throw fail('INVALID', { field: 'blocks of a lease', value: show(blocks), expected })
  }
  if (block !== undefined && !(Number.isInteger(block) && block >= 0 && block < blocks)) {
    const expected = `a whole number from 0 to ${blocks - 1}`
    throw fail('INVALID', { field: 'block of a lease', value: show(block), expected })
  }
  if (!(Number.isInteger(first) && first >= 0 && first < blocks)) {
    const expected = `a whole number from 0 to ${blocks - 1}`
    throw fail('INVALID', { field: 'first block of a lease', value: show(first), expected })
  }
}
