// What the sessions of this process hold, kept over a time in which ZooKeeper took it for dead.  It
// is read from the copy before that hears of the death, and claimed again afterwards: what nobody
// else has taken meanwhile is ours as before, with the epochs it had; and nothing is when another
// has a lease that guards this process.  (Rows of tables: tables/.)
// test/zookeeper/processes.test.ts holds it.

import type { SharedFile } from '../../sqlite/shared-database.ts'

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

/** What is to be claimed after the end of a session with ZooKeeper. */
export class Claims {
  readonly #file: SharedFile
  #pending: readonly Estate[] | undefined
  #settled: () => void = () => {}

  constructor(file: SharedFile) {
    this.#file = file
  }

  /** Still to be claimed; another list after each end of a session. */
  get pending(): readonly Estate[] | undefined {
    return this.#pending
  }

  /** The session has ended, of which our copy has not heard yet. */
  note(): void {
    const { database, sessions } = this.#file
    const sql = 'SELECT pool, block, epoch FROM leases WHERE session = ?'
    this.#pending =
      this.#pending === undefined
        ? [...sessions.own].map(id => ({ session: id, leases: database.all<LeaseRow>(sql, id) }))
        : [...this.#pending]
  }

  /** Gives sessions back what nobody else has taken.  Call it within a transaction. */
  claim(): void {
    const { database, sessions, leaseWatch } = this.#file
    if (this.#pending === undefined || leaseWatch.areTaken()) return
    const lease = `UPDATE leases SET session = ?
                   WHERE pool = ? AND block = ? AND epoch = ? AND session IS NULL`
    for (const { session, leases } of this.#pending) {
      if (!sessions.own.has(session)) continue // closed meanwhile
      sessions.add(session)
      for (const { pool, block, epoch } of leases) database.run(lease, session, pool, block, epoch)
    }
  }

  /** What was claimed is stored; who has lost something is told. */
  settle(claimed: readonly Estate[] | undefined): void {
    if (claimed === undefined) return
    if (this.#pending === claimed) this.#pending = undefined
    this.#file.leaseWatch.look()
    this.#settled()
  }

  /** Called when that was done. */
  onSettled(settled: () => void): void {
    this.#settled = settled
  }
}
