// What the sessions of this process hold, kept over a time in which ZooKeeper took it for dead.  It
// is read from the copy before that hears of the death, and claimed again afterwards: what nobody
// else has taken meanwhile is ours as before, with the epochs it had.  (Rows of tables: tables/.)

import type { Database } from '../../sqlite/database.ts'
import type { Sessions } from '../../sqlite/sessions.ts'

interface LeaseRow {
  readonly pool: string
  readonly block: number
  readonly epoch: number
}

/** What a session owns, so that it can claim it again. */
export interface Estate {
  /** Id of the session. */
  readonly session: string
  /** Blocks it held. */
  readonly leases: readonly LeaseRow[]
}

/** What these sessions own. */
export const estatesOf = (database: Database, sessions: ReadonlySet<string>): Estate[] =>
  [...sessions].map(session => ({
    session,
    leases: database.all<LeaseRow>(
      'SELECT pool, block, epoch FROM leases WHERE session = ?',
      session
    )
  }))

/** Gives sessions back what they owned and nobody else has taken. Call it within a transaction. */
export function claim(database: Database, sessions: Sessions, estates: readonly Estate[]): void {
  const lease = `UPDATE leases SET session = ?
                 WHERE pool = ? AND block = ? AND epoch = ? AND session IS NULL`
  for (const { session, leases } of estates) {
    if (!sessions.own.has(session)) continue // closed meanwhile
    sessions.add(session)
    for (const { pool, block, epoch } of leases) database.run(lease, session, pool, block, epoch)
  }
}
