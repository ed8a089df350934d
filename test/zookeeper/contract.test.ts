// The store on ZooKeeper keeps the contract: sessions of one process, and sessions that have a
// connection and a copy each, as processes on different machines have.

import { after, before, describe } from 'node:test'
import { SystemClock } from '../../src/core/clock.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import type { SqliteStore } from '../../src/topology/sqlite/store.ts'
import { openZooKeeperStore } from '../../src/topology/zookeeper/store.ts'
import { storeContract } from '../store/contract.ts'
import type { NewGround } from '../store/ground.ts'
import { type SharedServer, sharedServer } from './shared.ts'

const skip = missingForServer() ?? false
const clock = new SystemClock()
let seed = 1000

describe('the store on ZooKeeper', { skip }, () => {
  let server: SharedServer
  before(async () => {
    server = await sharedServer()
  })
  after(() => server.close())

  const ground =
    (connections: 'one' | 'each'): NewGround =>
    async models => {
      const chroot = `/contract/${++seed}`
      const open = (session: string): Promise<SqliteStore> =>
        openZooKeeperStore({
          servers: [{ host: server.address, port: server.port }],
          chroot,
          models,
          clock,
          random: new SeededRandom(++seed),
          session,
          lingerMs: 60_000, // longer than a test: what has left stands
          baseEvery: 20 // so that newcomers begin with a base, and sweeping happens
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
        }
      }
    }

  storeContract('zookeeper, one connection', ground('one'))
  storeContract('zookeeper, a connection each', ground('each'))
})
