// Installs what the cluster needs beside the demo: a Java runtime, ZooKeeper, Cassandra, FRR for
// the gateways, BIRD for the routers outside. It is what
// `npm test` runs first too, says how far it is, and only looks when all is there.
// test/lab/demo-cluster.test.ts holds it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { LabError } from '../../lab/index.ts'
import { missingForNode } from '../../lab/services/cassandra.ts'
import { missingForServer } from '../../lab/services/zookeeper.ts'
import { missingForUplinks } from './upstream-beyond.ts'

const setup = join(import.meta.dirname, '../../../setup.mjs')

/** Resolves when all is there; throws LabError with what cannot be had. */
export async function installServers(): Promise<void> {
  const words = [setup, '--cassandra', '--zookeeper', '--gateway', '--outside']
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] })
  await once(child, 'exit')
  const missing = missingForServer() ?? missingForNode() ?? missingForUplinks()
  if (missing !== undefined) throw new LabError(`no cluster: ${missing}`)
}
