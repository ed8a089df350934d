// The store of flow state on a real Cassandra node: the contract, and what happens to it when the
// node is killed, stalls, is not there yet, or refuses us.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { Client } from 'cassandra-driver'
import { SystemClock, sleep } from '../../src/core/clock.ts'
import { openLog, silentLog } from '../../src/core/log.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { CassandraNode, missingForNode } from '../../src/lab/services/cassandra.ts'
import { CassandraStore } from '../../src/state/storage/cassandra/cassandra.ts'
import type { ClusterOptions } from '../../src/state/storage/cassandra/options.ts'
import type { SavedBatch } from '../../src/state/storage/store.ts'
import {
  batchOf,
  counter,
  loads,
  type StateGround,
  type StoreLimits,
  storeContract,
  textsOf
} from '../state/store-contract.ts'
import { assertSame, eventually } from '../store/ground.ts'

// A busy machine starts a node in a minute, and these start it twice.
const timeout = 240_000
const clock = new SystemClock()
const missing = missingForNode()
const limits = { keepMs: 3_600_000, queueBytesMax: 16 << 20, loadBytesMax: 64 << 20 }
let node: CassandraNode
let seed = 0

const cluster = (keyspace: string): ClusterOptions => ({
  contactPoints: [node.address],
  port: node.port,
  localDataCenter: 'datacenter1',
  keyspace,
  replicaCount: 1,
  consistency: 'LOCAL_QUORUM',
  timeoutMs: 10_000, // of a busy machine; what is asked of a stalled node has its own
  queriesMax: 64,
  username: node.username,
  passwordFile: node.passwordFile,
  tls: false
})

class Ground implements StateGround {
  readonly keyspace = `mezzo_${++seed}`
  readonly #open: CassandraStore[] = []

  async open(of: StoreLimits = {}, options: Partial<ClusterOptions> = {}): Promise<CassandraStore> {
    const random = new SeededRandom(++seed)
    const log = silentLog()
    const all = { ...cluster(this.keyspace), ...options }
    const store = new CassandraStore({ cluster: all, ...limits, ...of, clock, random, log })
    this.#open.push(store)
    return store
  }

  async close(): Promise<void> {
    for (const store of this.#open) await store.close()
  }
}

const groundOf = (t: TestContext): Ground => {
  const ground = new Ground()
  t.after(() => ground.close())
  return ground
}

/** Saves a batch every few milliseconds, until told to stop. */
class Writer {
  readonly batches: SavedBatch[] = []
  readonly #store: CassandraStore
  readonly #done: Promise<void>
  #isStopped = false

  constructor(t: TestContext, store: CassandraStore) {
    this.#store = store
    this.#done = this.#run()
    t.after(() => this.stop())
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const some = Array.from({ length: 3 }, () => batchOf(1, 200))
      this.batches.push(...some)
      this.#store.save(some)
      await sleep(clock, 5)
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#done
  }
}

/** All that was saved is there, each once and in order; read by one who has the patience. */
async function assertAllThere(
  store: CassandraStore,
  { batches }: Writer,
  reader: CassandraStore
): Promise<void> {
  await eventually(() => assert.equal(store.state, 'ready'))
  await eventually(async () => {
    await store.settle()
    assert.equal(counter(store, 'queued-bytes'), 0)
  })
  assert.equal(counter(store, 'saved'), batches.length)
  assert.equal(counter(store, 'left-out'), 0)
  assertSame(await loads(reader, 1), textsOf(batches, 1))
}

describe('on a Cassandra node', { skip: missing ?? false }, () => {
  before(
    async () => {
      node = await CassandraNode.make()
      await node.start()
    },
    { timeout: 300_000 }
  )
  after(() => node?.close(), { timeout })

  storeContract('cassandra', async () => new Ground())

  tables()
  access()
  faults()
})

function tables(): void {
  test('rows live for their time, in windows of it; who comes second makes nothing', {
    timeout
  }, async t => {
    const ground = groundOf(t)
    const store = await ground.open({ keepMs: 7200_000 })
    store.save([batchOf(1, 10)])
    await store.settle()
    assert.equal(counter(store, 'schema-queries'), 3)
    const second = await ground.open({ keepMs: 7200_000 })
    await second.settle()
    assert.equal(counter(second, 'schema-queries'), 1)
    const client = new Client({
      contactPoints: [node.address],
      localDataCenter: 'datacenter1',
      protocolOptions: { port: node.port },
      credentials: { username: node.username, password: 'cassandra' }
    })
    const { rows } = await client.execute(
      'SELECT compaction, default_time_to_live, gc_grace_seconds FROM system_schema.tables ' +
        'WHERE keyspace_name = ? AND table_name = ?',
      [ground.keyspace, 'flow_state']
    )
    const { compaction, default_time_to_live: ttl, gc_grace_seconds: grace } = rows[0]!
    assert.match(compaction.class, /TimeWindowCompactionStrategy$/)
    assert.equal(compaction.compaction_window_size, '5')
    assert.deepEqual([ttl, grace], [7200, 300])
    const lives = await client.execute(
      `SELECT TTL(records) AS s FROM ${ground.keyspace}.flow_state`
    )
    const left = lives.rows[0]!.s
    assert.ok(left > 6000 && left <= 7200, `${left} s to live`)
    await client.shutdown()
  })

  test('saving reads nothing; every query is counted', { timeout }, async t => {
    const ground = groundOf(t)
    const store = await ground.open()
    for (let i = 0; i < 2000; i++) store.save([batchOf(1 + (i % 20), 100)])
    await store.settle()
    assert.equal(counter(store, 'save-queries'), 2000)
    assert.equal(counter(store, 'load-queries'), 0)
    await store.load(1)
    assert.equal(counter(store, 'load-queries'), 2 + 1) // two pages of this hour, one of the last
  })
}

function access(): void {
  test('over TLS, to a node whose certificate is known', { timeout }, async t => {
    const ground = groundOf(t)
    const store = await ground.open({}, { tls: true, caFile: node.caFile })
    const batch = batchOf(1, 100)
    store.save([batch])
    await store.settle()
    assert.deepEqual(await loads(store, 1), textsOf([batch], 1))
    const distrustful = await ground.open({}, { tls: true })
    await distrustful.settle()
    assert.equal(distrustful.state, 'away')
  })

  test('a wrong password is a state; it is in no line of the log', { timeout }, async () => {
    const passwordFile = join(node.passwordFile, '..', 'wrong')
    writeFileSync(passwordFile, 'sesame-open-up')
    const lines: string[] = []
    const log = openLog({ level: 'debug' }, { write: line => lines.push(line) })
    const random = new SeededRandom(++seed)
    const options = { ...cluster('wrong'), passwordFile }
    const store = new CassandraStore({ cluster: options, ...limits, clock, random, log })
    await store.settle()
    assert.equal(store.state, 'away')
    await eventually(() => assert.match(lines.join(''), /incorrect.*is away/))
    await store.close()
    assert.ok(!lines.join('').includes('sesame'))
  })
}

function faults(): void {
  test('a stalled node: saving goes on, queries time out, and all arrives later', {
    timeout
  }, async t => {
    const ground = groundOf(t)
    const store = await ground.open({}, { timeoutMs: 300 })
    await store.settle()
    const writer = new Writer(t, store)
    await eventually(() => assert.ok(counter(store, 'saved') > 50))
    node.pause()
    try {
      await eventually(() => assert.equal(store.state, 'away'))
      const [reached, away] = [writer.batches.length, counter(store, 'away')]
      await eventually(() => assert.ok(writer.batches.length > reached + 100))
      await eventually(() => assert.ok(counter(store, 'timed-out') >= 2))
      assert.equal(counter(store, 'away'), away) // told once, however many queries fail
      await assert.rejects(store.load(1), { code: 'STORE_UNAVAILABLE' })
      const stranger = await ground.open({}, { timeoutMs: 300 })
      await assert.rejects(stranger.load(1), { code: 'STORE_UNAVAILABLE' })
      assert.equal(stranger.state, 'away')
    } finally {
      node.resume()
    }
    await eventually(() => assert.equal(store.state, 'ready'))
    await writer.stop()
    await assertAllThere(store, writer, await ground.open())
  })

  test('a node killed while written to, and started again', { timeout }, async t => {
    const ground = groundOf(t)
    const store = await ground.open()
    const small = await ground.open({ queueBytesMax: 20_000 })
    await Promise.all([store.settle(), small.settle()])
    const writer = new Writer(t, store)
    await eventually(() => assert.ok(counter(store, 'saved') > 50))
    await node.kill()
    await eventually(() => assert.equal(store.state, 'away'))
    await assert.rejects(store.load(1), { code: 'STORE_UNAVAILABLE' })
    const reached = writer.batches.length
    await eventually(() => assert.ok(writer.batches.length > reached + 100))
    small.save(Array.from({ length: 100 }, () => batchOf(2, 900)))
    await small.settle()
    assert.ok(counter(small, 'left-out') >= 80)
    assert.ok(counter(small, 'queued-bytes') <= 20_000)
    const late = await ground.open()
    const early = batchOf(3, 100)
    late.save([early])
    await late.settle()
    assert.equal(late.state, 'away')
    await node.start()
    await eventually(() => assert.equal(store.state, 'ready'))
    await writer.stop()
    await assertAllThere(store, writer, store)
    await eventually(async () => assert.deepEqual(await loads(late, 3), textsOf([early], 3)))
    await eventually(() => assert.equal(counter(small, 'queued-bytes'), 0))
    assert.equal((await small.load(2)).length, 100 - counter(small, 'left-out'))
  })
}
