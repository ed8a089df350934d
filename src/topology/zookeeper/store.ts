// The store of a cluster: every process has a copy in SQLite, and ZooKeeper has the order of all
// changes.  So reads and watches are local and go on without ZooKeeper; changes need it.

import { fail, reasonOf } from '../../core/errors.ts'
import { SystemRandom } from '../../core/random.ts'
import { MEMORY } from '../sqlite/database.ts'
import { SharedDatabase } from '../sqlite/shared-database.ts'
import { newSession, type SqliteStore, type SqliteStoreOptions } from '../sqlite/store.ts'
import { Writer } from './changes/writer.ts'
import { ZooKeeper, type ZooKeeperOptions } from './client/client.ts'
import { isZooKeeperError } from './client/errors.ts'
import { type Must, openLayout } from './nodes/layout.ts'
import { Presence } from './presence.ts'
import { reportOf } from './report.ts'
import { SharedTables } from './tables/shared-tables.ts'

export type { Must } from './nodes/layout.ts'

/** What a session with a store on ZooKeeper is opened with. */
export interface ZooKeeperStoreOptions extends SqliteStoreOptions {
  /** The servers of the ensemble. */
  readonly servers: ZooKeeperOptions['servers']
  /** The node that all of the store is below. */
  readonly chroot: string
  /** How long the servers keep a silent session. */
  readonly sessionMs?: number
  /** Undefined: connections are not encrypted. */
  readonly tls?: ZooKeeperOptions['tls']
  /** Undefined: everybody may read the store. */
  readonly credentials?: ZooKeeperOptions['credentials']
  /** Changes after which all that is there is written down anew. */
  readonly baseEvery?: number
  /** How long a shared table is followed that nobody needs. */
  readonly tableIdleMs?: number
  /** How often one of all looks for tables of which nothing is left. */
  readonly tableSweepMs?: number
  /** `find`: refuse a place where there is no store; `make`: where there is one. */
  readonly must?: Must | undefined
  /** How long opening waits for a connection. */
  readonly openMs?: number
}

const LOG_MAX = 50_000
const SESSION_MS = 6_000
const OPEN_MS = 15_000
const KEY_BYTES = 9

/** A session of its own; further ones on the same connection by `fork`. */
export async function openZooKeeperStore(options: ZooKeeperStoreOptions): Promise<SqliteStore> {
  const { clock, chroot, servers, openMs = OPEN_MS, sessionMs = SESSION_MS } = options
  const random = options.random ?? new SystemRandom()
  const { tls, credentials } = options
  const operationMs = sessionMs
  const zk = new ZooKeeper({
    ...{ servers, chroot, sessionMs, operationMs, tls, credentials, clock, random }
  })
  try {
    if (!(await zk.ready(openMs)))
      throw fail('STORE_UNAVAILABLE', { reason: `no connection to ZooKeeper: ${zk.fault}` })
    const id = await openLayout(zk, whereOf(options), random, options.must)
    return await openOn(zk, id, options)
  } catch (error) {
    await zk.close()
    if (!isZooKeeperError(error)) throw error
    throw fail('STORE_UNAVAILABLE', { reason: reasonOf(error) }, error)
  }
}

const whereOf = ({ servers, chroot }: ZooKeeperStoreOptions): string =>
  `${servers.map(({ host, port }) => `${host}:${port}`).join(',')}${chroot}`

async function openOn(
  zk: ZooKeeper,
  id: string,
  options: ZooKeeperStoreOptions
): Promise<SqliteStore> {
  const { path = MEMORY, models, clock, logMax = LOG_MAX, lingerMs = 0 } = options
  const random = options.random ?? new SystemRandom()
  const key = Buffer.from(random.bytes(KEY_BYTES)).toString('hex')
  let shared: SharedDatabase | undefined
  const presence = new Presence(zk, clock, { key, pid: process.pid }, () => void shared?.reap())
  let writer: Writer | undefined
  let tables: SharedTables | undefined
  shared = new SharedDatabase({
    ...{ path, models, clock, random, logMax, lingerMs },
    liveness: presence,
    commits: file => {
      const committed = (): void => {
        tables!.sessionsChanged()
        file.committed()
      }
      const fresh = (): Promise<void> => writer!.fresh()
      tables = new SharedTables({
        isClaiming: () => writer!.claims.pending !== undefined,
        ...{ zk, file, by: key, fresh, isFirst: () => presence.isFirst },
        ...{ idleMs: options.tableIdleMs, sweepMs: options.tableSweepMs }
      })
      writer = new Writer(zk, { ...file, committed }, presence, options.baseEvery)
      writer.onClose(() => tables!.close())
      writer.claims.onSettled(() => tables!.claimed())
      return writer
    },
    tablesOf: session => tables!.of(session),
    report: () => reportOf({ zk, writer: writer!, tables: tables!, where: whereOf(options) })
  })
  try {
    writer!.replica.belong(id)
    const before = writer!.replica.succeed(key)
    writer!.start()
    if (before !== undefined) await endPredecessor(zk, shared, before)
    return await newSession(shared, options.session ?? 'session')
  } catch (error) {
    await shared.close()
    throw error
  }
}

// The process that had our copy before us is dead, whatever its session with ZooKeeper says: what
// it had a seat for is ours at once.
async function endPredecessor(
  zk: ZooKeeper,
  shared: SharedDatabase,
  process: string
): Promise<void> {
  await zk.remove(`/alive/${process}`).catch(error => {
    if (!isZooKeeperError(error, 'NO_NODE')) throw error
  })
  await shared.transact(() => {
    const sql = 'SELECT id FROM sessions WHERE boot = ? AND dead = 0'
    for (const { id } of shared.database.all<{ id: string }>(sql, process)) {
      shared.sessions.markDead(id)
      shared.leases.abandon(id)
    }
  })
}
