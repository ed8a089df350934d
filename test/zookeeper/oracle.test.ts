// The oracle of hosts with its hosts on a real ZooKeeper: many machines, each with a copy of its
// own that watches keep, deliver what one host does that has every port and a store in memory.

import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { loadResources } from '../../src/agent/resources.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import {
  check,
  compare,
  invariantLook,
  PLUGINS,
  type Runs,
  runs,
  STATEFUL,
  type Variant
} from '../oracle/oracle.ts'
import { faulty, plans, statefulPlans } from '../oracle/plan.ts'
import { World, type WorldOptions } from '../world/world.ts'
import { ClusterStore, FIELDS, OracleThread } from './oracle-store.ts'
import { type SharedServer, sharedServer } from './shared.ts'

const CASES = 8

/** A world whose store is the cluster's. */
class ClusterWorld extends World {
  close(): void {
    ;(this.store as ClusterStore).close()
  }
}

describe('the oracle of hosts on ZooKeeper', { skip: missingForServer() ?? false }, () => {
  let server: SharedServer
  let thread: OracleThread
  before(async () => {
    server = await sharedServer()
    for (const { kind, indexes } of modelsOf(await loadResources())) FIELDS[kind] = indexes
    thread = new OracleThread([{ host: server.address, port: server.port }])
  })
  after(async () => {
    await thread?.close()
    await server?.close()
  })

  const ground = (options: WorldOptions) =>
    new ClusterWorld({ ...options, storeOf: clock => new ClusterStore(thread, clock) })
  const oracleOf = (more: Partial<Variant>) =>
    compare(
      { cache: true, spread: true, ...more, ground },
      { cache: true, spread: false, ...more },
      PLUGINS,
      invariantLook
    )
  const tell = (t: TestContext, { seed, numRuns }: Runs): void => {
    const { asked, events } = thread
    t.diagnostic(`seed ${seed}, ${numRuns} cases; in all ${asked} questions, ${events} events`)
    assert.ok(events > 10 * numRuns, 'nobody was told anything')
  }

  test('D1: many hosts are one, while ports move and agents begin anew', t => {
    const cases = runs(20_261_129, CASES)
    check(oracleOf({}), cases, faulty(plans, 4))
    tell(t, cases)
  })

  test('D1: many hosts are one to connections, while ports move and connections end', t => {
    const cases = runs(20_261_130, CASES)
    check(oracleOf(STATEFUL), cases, faulty(statefulPlans(false), 6))
    tell(t, cases)
  })
})
