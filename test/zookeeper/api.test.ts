// What the API says of its store on a real ZooKeeper that is killed, and edited by hand.  Reads go
// on and are marked; writes say why not.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { countStore } from '../../src/api/store-counters.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { missingForServer, ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import { openZooKeeperStore } from '../../src/topology/zookeeper/store.ts'
import { allModels, call, openSystem, type System } from '../api/fixture.ts'
import { eventually } from '../store/ground.ts'
import { clientOf, closeClients, ready } from './clients.ts'

describe('the API of a store on ZooKeeper', { skip: missingForServer() ?? false }, () => {
  let server: ZooKeeperServer
  let system: System
  const create = async (path: string, body: object): Promise<string> => {
    const made = await call(`${system.url}${path}`, 'POST', body)
    assert.equal(made.status, 201)
    return String(made.body.id)
  }
  before(async () => {
    server = await ZooKeeperServer.make()
    await server.start()
    const store = await openZooKeeperStore({
      servers: [{ host: server.address, port: server.port }],
      chroot: '/api',
      sessionMs: 30_000, // its pings are among what the servers receive
      models: await allModels(),
      clock: new SystemClock()
    })
    system = await openSystem({ store })
  })
  after(async () => {
    await closeClients()
    await system.close()
    await server.close()
  })

  const complaintOf = async (...words: string[]): Promise<string> => {
    let complaint = ''
    const exit = await command(words, {
      api: system.url,
      say: () => {},
      complain: text => (complaint += text)
    })
    assert.equal(exit, 0, complaint)
    return complaint
  }
  const report = async () => (await call(`${system.url}/store`)).body

  test('it says its servers, its session, its last change', async () => {
    const { kind, where, state, session, change } = await report()
    assert.deepEqual([kind, state], ['zookeeper', 'connected'])
    assert.equal(where, `${server.address}:${server.port}/api`)
    assert.match(String(session), /^0x[0-9a-f]{16}$/)
    await create('/bridges', { name: 'a' })
    assert.equal((await report()).change, Number(change) + 1)
  })

  test('a new object, or a binding, is one change and one watch to the servers', async () => {
    const received = async (): Promise<number> =>
      Number(/^zk_packets_received\s+(\d+)/m.exec(await server.ask('mntr'))?.[1])
    const [host, bridge] = [await create('/hosts', { name: 'h' }), await create('/bridges', {})]
    const ports = []
    for (let i = 0; i < 20; i++) ports.push(await create('/ports', { device: bridge }))
    const before = await received()
    for (let i = 0; i < 20; i++) await create('/bridges', { name: `many ${i}` })
    for (const [i, port] of ports.entries()) {
      const binding = { host, interface: `tap${i}` }
      const bound = await call(`${system.url}/ports/${port}/binding`, 'PUT', binding)
      assert.equal(bound.status, 200, JSON.stringify(bound.body))
    }
    // The change, and the watch of the next one; pings, and what mntr is asked by, beside them.
    const each = ((await received()) - before) / 40
    assert.ok(each >= 2 && each < 2.8, `${each} requests`)
  })

  test('everything it counts has a name of its own under store', () => {
    const counters = new CounterTable()
    countStore(system.store, counters)
    const { gauges } = counters.snapshot()
    assert.ok(gauges['store.watches']! > 0)
    assert.equal(gauges['store.away-ms'], 0)
    assert.ok(Object.keys(gauges).length > 20)
  })

  test('killed, what is read is marked, and writes are refused with the reason', async () => {
    const host = await create('/hosts', { name: 'far' })
    const bridge = await create('/bridges', { name: 'kept' })
    const port = await create('/ports', { device: bridge })
    await call(`${system.url}/ports/${port}/binding`, 'PUT', { host, interface: 'tap9' })
    await server.kill()
    await eventually(async () => assert.equal((await report()).state, 'away'))
    assert.match(String((await report()).fault), /no connection to ZooKeeper: 127/)
    const read = await fetch(`${system.url}/bridges/${bridge}`)
    assert.equal(read.status, 200)
    assert.match(String(read.headers.get('warning')), /^110 /)
    const shown = /^mezzo: the store is away: this is what is known of it$/
    assert.match(await complaintOf('bridge', 'list'), shown)
    assert.match(await complaintOf('bridge', 'show', 'kept', '--json'), shown)
    assert.equal(((await read.json()) as { name: string }).name, 'kept')
    assert.equal((await call(`${system.url}/ports/${port}`)).status, 200)
    const written = await call(`${system.url}/bridges`, 'POST', { name: 'new' })
    assert.equal(written.status, 503)
    assert.equal(written.body.error.code, 'STORE_UNAVAILABLE')
    assert.match(written.body.error.message, /no connection to ZooKeeper/)
    await server.start()
    await eventually(async () => assert.equal((await report()).state, 'connected'))
    assert.equal((await fetch(`${system.url}/bridges`)).headers.get('warning'), null)
    assert.equal(await complaintOf('bridge', 'list'), '')
    assert.match(String((await report()).lastError), /127|closed/)
    await create('/bridges', { name: 'new' })
  })

  test('a change edited by hand halts it, by its path, and says so', async () => {
    const zk = await ready(
      clientOf([{ host: server.address, port: server.port }], { chroot: '/api' })
    )
    const next = Math.max(...(await zk.children('/log'))!.map(Number)) + 1
    const path = `/log/${String(next).padStart(12, '0')}`
    await zk.create(path, Buffer.from('by hand'))
    await eventually(async () => assert.equal((await report()).state, 'halted'))
    assert.match(String((await report()).fault), new RegExp(path))
    assert.equal((await call(`${system.url}/bridges`)).status, 200)
    assert.equal((await call(`${system.url}/bridges`, 'POST', {})).status, 503)
  })
})
