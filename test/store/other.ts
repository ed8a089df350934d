// Another process on the same store, a file or a cluster, for the tests: it does what it is told,
// one line of JSON at a time, and answers with one line each.  A test may kill it in the middle of
// its work.

import { createInterface } from 'node:readline'
import { SystemClock } from '../../src/core/clock.ts'
import { isFailure } from '../../src/core/errors.ts'
import { SystemRandom } from '../../src/core/random.ts'
import { openSqliteStore, type SqliteStore } from '../../src/topology/sqlite/store.ts'
import { rotateStateKey, watchStateKey } from '../../src/topology/state-key.ts'
import type { Lease } from '../../src/topology/store.ts'
import { openZooKeeperStore } from '../../src/topology/zookeeper/store.ts'
import { create, models, newId } from './models.ts'

export interface Order {
  readonly do:
    | 'write'
    | 'put'
    | 'lease'
    | 'lost'
    | 'release'
    | 'churn'
    | 'count'
    | 'key'
    | 'rotate'
    | 'close'
  readonly name?: string
  readonly id?: string
  readonly times?: number
  readonly guards?: boolean
}

const clock = new SystemClock()
const random = new SystemRandom()
const lost: number[] = []
let held: Lease | undefined
const answer = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

const work: Record<Order['do'], (store: SqliteStore, order: Order) => Promise<unknown>> = {
  async write(store, { id = newId(), name = 'x' }) {
    await store.write([{ op: 'create', kind: 'host', value: { id, name } }])
    return clock.wall()
  },
  async put(store, { times = 1 }) {
    const table = store.table('t')
    try {
      await Promise.all(Array.from({ length: times }, (_, i) => table.put(`k${i}`, store.session)))
      return store.session
    } catch (error) {
      if (isFailure(error, 'SESSION_LOST')) return 'refused'
      throw error
    }
  },
  // 'away' while there is no connection.
  async lease(store, { guards = false }) {
    try {
      const lease = await store.lease('pool', 1, { guards })
      if (lease === undefined) return null
      held = lease
      void lease.lost.then(() => lost.push(lease.epoch))
      const { pool, block, epoch } = lease
      return { pool, block, epoch }
    } catch (error) {
      if (isFailure(error, 'STORE_UNAVAILABLE')) return 'away'
      throw error
    }
  },
  // Epochs of leases it was told are not its any more.
  async lost() {
    return lost
  },
  // Of the lease it had last, whoever has it now.
  async release() {
    await held?.release()
    return held?.epoch
  },
  // Writes pairs that only make sense together until it is killed.
  async churn(store) {
    for (let i = 0; ; i++) {
      const host = create('host', { name: `churn ${process.pid} ${i}` })
      const id = crypto.randomUUID()
      const team = { id: crypto.randomUUID(), members: [id], size: i % 10 }
      await store.write([
        { ...host, value: { ...host.value, id } },
        { op: 'create', kind: 'team', value: team }
      ])
      if (i === 20) answer('churning')
    }
  },
  // Compare-and-set, again and again, on one object.
  async count(store, { id = '', times = 1 }) {
    for (let done = 0; done < times; ) {
      const { value, version } = (await store.read('team', id))!
      const size = (Number(value.size) + 1) % 10
      const change = { op: 'update', kind: 'team', value: { ...value, size }, version } as const
      await store.write([change]).then(
        () => done++,
        () => 0
      )
    }
    return times
  },
  async key(store) {
    let key = ''
    const watch = watchStateKey(store, random, bytes => {
      key = Buffer.from(bytes).toString('hex')
    })
    await watch.ready
    watch.close()
    return key
  },
  async rotate(store) {
    await rotateStateKey(store, random)
    return work.key(store, { do: 'key' })
  },
  async close(store) {
    await store.close()
    return true
  }
}

const place = process.argv[2]!
const common = { models, clock, session: 'other' }
const store = place.startsWith('{')
  ? await openZooKeeperStore({ ...common, ...JSON.parse(place) })
  : await openSqliteStore({ ...common, path: place })
answer(store.session)
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order
  answer(await work[order.do](store, order))
  if (order.do === 'close') break
}
process.stdin.destroy()
