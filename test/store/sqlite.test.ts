// The SQLite store keeps the contract: in memory, on a file with sessions of one connection, and
// on a file with a connection for each session, as separate processes have.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { openSqliteStore, type SqliteStore } from '../../src/topology/sqlite/store.ts'
import { storeContract } from './contract.ts'
import type { NewGround } from './ground.ts'

const clock = new SystemClock()
let seed = 0

const ground =
  (place: 'memory' | 'file', connections: 'one' | 'each'): NewGround =>
  async models => {
    const folder = mkdtempSync(join(tmpdir(), 'mezzo-store-'))
    const path = place === 'memory' ? ':memory:' : join(folder, 'store.db')
    const open = (session: string): Promise<SqliteStore> =>
      openSqliteStore({
        path,
        models,
        clock,
        random: new SeededRandom(++seed),
        session,
        lingerMs: 60_000 // longer than a test: what has left stands
      })
    const root = await open('root')
    const sessions = [root]
    return {
      async session(label = 'session') {
        const session = await (connections === 'one' ? root.fork(label) : open(label))
        sessions.push(session)
        return session
      },
      async close() {
        for (const session of sessions.reverse()) await session.close()
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }

storeContract('sqlite in memory', ground('memory', 'one'))
storeContract('sqlite file, one connection', ground('file', 'one'))
storeContract('sqlite file, a connection each', ground('file', 'each'))
