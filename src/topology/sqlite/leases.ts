// Leases of numbered blocks.  The row of a block stays, so that its epoch grows with each grant; a
// release that names an older epoch changes nothing.  A block that was given back rests for as long
// as there are others: what it stood for, translated ports say, may still be remembered out there.
//
//   free ── grant ──► held ── release, close ──► free, the last to be chosen
//                      │ its session dies or leaves
//                      ├─ a seat ──► free at once
//                      └─ lingers ──► abandoned: for a successor by its number, or when nothing
//                                     else is free; free when the session expires
// test/store/sqlite.test.ts holds it.

import { fail, show } from '../../core/errors.ts'
import type { Random } from '../../core/random.ts'
import type { LeaseWish } from '../store.ts'
import type { Database } from './database.ts'

/** A block that was given out. */
export interface Grant {
  /** Its number. */
  readonly block: number
  /** Grows with every grant of the block. */
  readonly epoch: number
}

/** `block`, or any of first..blocks-1. */
interface Range {
  readonly first: number
  readonly blocks: number
}

const BLOCKS_MAX = 65_536
// Pools without a holder whose rows are kept; those unused for longest go.
const IDLE_POOLS_MAX = 256
const SWEEP_EVERY = 1024 // releases

/** Blocks of pools, each held by one session. */
export class Leases {
  readonly #database: Database
  readonly #random: Random
  #releases = 0

  constructor(database: Database, random: Random) {
    this.#database = database
    this.#random = random
  }

  /** Gives out a block; undefined when none is to be had. */
  grant(
    session: string,
    pool: string,
    blocks: number,
    { block, first = 0, lingers = false }: LeaseWish
  ): Grant | undefined {
    const range = { first, blocks }
    checkRange(range, block)
    const chosen = block ?? this.#choose(pool, range) ?? this.#abandoned(session, pool, range)
    if (chosen === undefined) return undefined
    const holder = this.#holder(pool, chosen)
    if (holder !== null && !this.#succeeds(session, holder)) return undefined
    const sql = `INSERT INTO leases (pool, block, epoch, session, lingers)
                 VALUES (?, ?, 1 + coalesce((SELECT next FROM sequences WHERE name = ?), 0), ?, ?)
                 ON CONFLICT DO UPDATE SET
                   epoch = epoch + 1, session = excluded.session, lingers = excluded.lingers
                 RETURNING epoch`
    const values = [pool, chosen, EPOCHS, session, lingers ? 1 : 0] as const
    return { block: chosen, epoch: this.#database.get<{ epoch: number }>(sql, ...values)!.epoch }
  }

  /** Takes a block back, if this grant still stands. */
  release(session: string, pool: string, { block, epoch }: Grant): void {
    const sql = `UPDATE leases SET session = NULL, freed = ${NEXT_FREED}
                 WHERE pool = ? AND block = ? AND epoch = ? AND session = ?`
    this.#database.run(sql, pool, block, epoch, session)
    if (++this.#releases % SWEEP_EVERY === 0) this.#sweep()
  }

  /** The session writes no more: its seats are free, what lingers waits for a successor. */
  abandon(session: string): void {
    const sql = `UPDATE leases SET session = NULL, freed = ${NEXT_FREED}
                 WHERE session = ? AND lingers = 0`
    this.#database.run(sql, session)
  }

  /** Takes back all that a session held. */
  forget(session: string): void {
    const sql = `UPDATE leases SET session = NULL, freed = ${NEXT_FREED} WHERE session = ?`
    if (this.#database.run(sql, session) > 0) this.#sweep()
  }

  #holder(pool: string, block: number): string | null {
    const sql = 'SELECT session FROM leases WHERE pool = ? AND block = ?'
    return this.#database.get<{ session: string | null }>(sql, pool, block)?.session ?? null
  }

  // Any block that nobody has had yet, with the same chance; then the one that has rested longest.
  #choose(pool: string, range: Range): number | undefined {
    const { first, blocks } = range
    const sql = `SELECT block FROM leases WHERE pool = ? AND block >= ? AND block < ?
                 ORDER BY block`
    const known = this.#database.all<{ block: number }>(sql, pool, first, blocks)
    if (known.length >= blocks - first) return this.#rested(pool, range)
    let chosen = first + this.#random.below(blocks - first - known.length)
    for (const { block } of known) {
      if (block > chosen) break
      chosen++
    }
    return chosen
  }

  #rested(pool: string, { first, blocks }: Range): number | undefined {
    const sql = `SELECT block FROM leases
                 WHERE pool = ? AND block >= ? AND block < ? AND session IS NULL
                 ORDER BY freed LIMIT 1`
    return this.#database.get<{ block: number }>(sql, pool, first, blocks)?.block
  }

  #abandoned(session: string, pool: string, { first, blocks }: Range): number | undefined {
    const sql = `SELECT block, session FROM leases JOIN sessions ON id = session
                 WHERE pool = ? AND block >= ? AND block < ? AND dead = 1 ORDER BY block`
    const rows = this.#database.all<Held>(sql, pool, first, blocks)
    return rows.find(row => labelOf(row.session) === labelOf(session))?.block
  }

  // One of the same name that is no more: an agent finds its own blocks when it comes back.
  #succeeds(session: string, holder: string): boolean {
    if (labelOf(holder) !== labelOf(session)) return false
    const sql = 'SELECT 1 FROM sessions WHERE id = ? AND dead = 0'
    return this.#database.get(sql, holder) === undefined
  }

  // Pools go with what they were for, and nobody says so.  Epochs go on where the rows have ended.
  #sweep(): void {
    const idle = `SELECT pool FROM leases GROUP BY pool HAVING count(session) = 0
                  ORDER BY max(freed) DESC LIMIT -1 OFFSET ${IDLE_POOLS_MAX}`
    const rows = this.#database.all<{ pool: string }>(idle)
    for (const { pool } of rows) {
      const last = 'SELECT max(epoch) AS epoch FROM leases WHERE pool = ?'
      const { epoch } = this.#database.get<{ epoch: number }>(last, pool)!
      const keep = `INSERT INTO sequences (name, next) VALUES (?, ?)
                    ON CONFLICT DO UPDATE SET next = max(next, excluded.next)`
      this.#database.run(keep, EPOCHS, epoch)
      this.#database.run('DELETE FROM leases WHERE pool = ?', pool)
    }
  }
}

/** A lease that a session of this process holds, as far as it knows. */
export interface WatchedLease extends Grant {
  /** Id of the session. */
  readonly session: string
  /** Its pool. */
  readonly pool: string
  /** The tables of this process go with it. */
  readonly guards: boolean
  /** Called once when it is not held any more. */
  readonly lost: () => void
}

/**
 * The leases held here.  A session that others have taken for dead may have lost some to them: it
 * is told, and acts under them no more.
 */
export class LeaseWatch {
  readonly #database: Database
  readonly #all = new Set<WatchedLease>()
  /** One that guards this process was lost. */
  isFenced = false

  constructor(database: Database) {
    this.#database = database
  }

  /** From now on it is looked after. */
  add(held: WatchedLease): void {
    this.#all.add(held)
  }

  /** It was given back, or went with its session. */
  remove(held: WatchedLease): void {
    this.#all.delete(held)
  }

  /** Tells of each that is not held any more. */
  look(): void {
    const sql = 'SELECT 1 FROM leases WHERE pool = ? AND block = ? AND epoch = ? AND session = ?'
    for (const held of [...this.#all]) {
      const { pool, block, epoch, session } = held
      if (this.#database.get(sql, pool, block, epoch, session) !== undefined) continue
      this.#all.delete(held)
      if (held.guards) this.isFenced = true
      held.lost()
    }
  }

  /** Whether another has one of those that guard this process, as the database says. */
  areTaken(): boolean {
    const sql = `SELECT 1 FROM leases
                 WHERE pool = ? AND block = ? AND epoch = ? AND (session IS NULL OR session = ?)`
    return [...this.#all].some(({ guards, pool, block, epoch, session }) => {
      return guards && this.#database.get(sql, pool, block, epoch, session) === undefined
    })
  }
}

interface Held {
  readonly block: number
  readonly session: string
}

const EPOCHS = 'lease-epoch'
const NEXT_FREED = '(SELECT max(freed) + 1 FROM leases)'

/** What a session was called, without the part made by chance. */
export function labelOf(session: string): string {
  const dot = session.lastIndexOf('.')
  return dot < 0 ? session : session.slice(0, dot)
}

function checkRange({ first, blocks }: Range, block: number | undefined): void {
  if (!Number.isInteger(blocks) || blocks < 1 || blocks > BLOCKS_MAX) {
    const expected = `a whole number from 1 to ${BLOCKS_MAX}`
    throw fail('INVALID', { field: 'blocks of a lease', value: show(blocks), expected })
  }
  for (const [field, value] of Object.entries({ block, 'first block': first })) {
    if (value === undefined || (Number.isInteger(value) && value >= 0 && value < blocks)) continue
    const expected = `a whole number from 0 to ${blocks - 1}`
    throw fail('INVALID', { field: `${field} of a lease`, value: show(value), expected })
  }
}
