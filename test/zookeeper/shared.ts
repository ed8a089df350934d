// The server of the files that do it no harm: `npm test` has started one for all of them, and a
// file that runs by itself has one of its own.  Each keeps to nodes of its own there.

import { ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'

/** As run.mjs says it. */
const GIVEN = process.env.MEZZO_TEST_ZOOKEEPER

export interface SharedServer {
  readonly address: string
  readonly port: number
  /** For who is done with it. */
  close(): Promise<void>
}

export async function sharedServer(): Promise<SharedServer> {
  if (GIVEN !== undefined) return { ...JSON.parse(GIVEN), close: async () => {} }
  const server = await ZooKeeperServer.make()
  await server.start()
  return server
}
