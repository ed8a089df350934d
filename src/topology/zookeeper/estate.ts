// What the sessions of this process own, kept over a time in which ZooKeeper took it for dead.  It
// is read from the copy before that hears of the death, and claimed again afterwards: what nobody
// else has taken meanwhile is ours as before, with the epochs it had.

import type { Database } from '../sqlite/database.ts'
import { Entries, SEED } from '../sqlite/entries.ts'
import type { Sessions } from '../sqlite/sessions.ts'

interface EstateEntry {
  readonly tbl: string
  readonly key: string
  readonly value: string
}

interface LeaseRow {
  readonly pool: string
  readonly block: number
  readonly epoch: number
}

export interface Estate {
  readonly session: string
  readonly entries: readonly EstateEntry[]
  readonly leases: readonly LeaseRow[]
}

export const estatesOf = (database: Database, sessions: ReadonlySet<string>): Estate[] =>
  [...sessions].map(session => ({
    session,
    entries: database.all<EstateEntry>(
      'SELECT tbl, key, value FROM entries WHERE owner = ?',
      session
    ),
    leases: database.all<LeaseRow>(
      'SELECT pool, block, epoch FROM leases WHERE session = ?',
      session
    )
  }))

/** Within a transaction. */
export function claim(database: Database, sessions: Sessions, estates: readonly Estate[]): void {
  const table = new Entries(database)
  const others = `SELECT 1 FROM entries WHERE tbl = ? AND key = ? AND owner NOT IN (?, ?)`
  const lease = `UPDATE leases SET session = ?
                 WHERE pool = ? AND block = ? AND epoch = ? AND session IS NULL`
  for (const { session, entries, leases } of estates) {
    if (!sessions.own.has(session)) continue // closed meanwhile
    sessions.add(session)
    for (const { tbl, key, value } of entries)
      if (database.get(others, tbl, key, session, SEED) === undefined)
        table.put(tbl, key, session, value)
    for (const { pool, block, epoch } of leases) database.run(lease, session, pool, block, epoch)
  }
}
