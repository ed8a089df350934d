// The client on bad days: the network holds, swallows, refuses, cuts amid a frame and delays; the
// server dies, stalls, or is none.  What it owns is given up here before any server gives it away.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, afterEach, before, describe, test } from 'node:test'
import { sleep } from '../../src/core/clock.ts'
import { FaultProxy } from '../../src/lab/services/fault-proxy.ts'
import { missingForServer, ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import type { Condition, ZooKeeper } from '../../src/topology/zookeeper/client/client.ts'
import { clientOf, clock, closeClients, eventually, ready, refusedWith } from './clients.ts'

const skip = missingForServer() ?? false
const SESSION_MS = 4_000
const bytes = (text: string): Buffer => Buffer.from(text)

describe('the ZooKeeper client on bad days', { skip }, () => {
  let server: ZooKeeperServer
  let proxy: FaultProxy
  let direct: ZooKeeper
  before(async () => {
    server = await ZooKeeperServer.make()
    await server.start()
    direct = clientOf([{ host: server.address, port: server.port }], { sessionMs: 30_000 })
    await ready(direct)
  })
  after(async () => {
    await closeClients()
    await server.close()
  })
  afterEach(() => proxy.close())

  const viaProxy = async (sessionMs = SESSION_MS): Promise<ZooKeeper> => {
    proxy = await FaultProxy.before(server.address, server.port)
    return ready(clientOf([proxy], { sessionMs, operationMs: sessionMs }))
  }
  const conditionsOf = (client: ZooKeeper): Condition[] => {
    const all: Condition[] = []
    client.onChange(condition => all.push(condition))
    return all
  }

  test('a silent partition is known here before the servers give away what is ours', async t => {
    // It may be known a sixth of its time before it is over.
    const sessionMs = 8_000
    const client = await viaProxy(sessionMs)
    const conditions = conditionsOf(client)
    await client.create('/owned', bytes('x'), true)
    const begun = clock.now()
    let knownAt = Infinity
    client.onChange(() => {
      knownAt = Math.min(knownAt, clock.now())
    })
    proxy.blackHole = true
    const pending = refusedWith(client.get('/owned'), 'CONNECTION_LOSS')
    await eventually(() => assert.deepEqual(conditions, ['suspended']))
    t.diagnostic(`known after ${Math.round(knownAt - begun)} of ${sessionMs} ms`)
    assert.ok(knownAt < client.heldUntil, 'known while it is still ours')
    await pending
    const { heldUntil } = client
    assert.equal(await direct.exists('/owned'), true)
    await eventually(async () => assert.equal(await direct.exists('/owned'), false))
    assert.ok(clock.now() > heldUntil, 'given away only when we had given it up')
    await refusedWith(client.get('/owned'), 'NOT_CONNECTED')
    assert.equal(client.heldUntil, heldUntil)
    proxy.blackHole = false
    proxy.cutAll()
    await eventually(() => assert.deepEqual(conditions.slice(1), ['expired', 'connected']))
    await client.create('/owned', bytes('again'), true)
    assert.ok(client.heldUntil > heldUntil)
  })

  test('a connection that is cut amid a frame spoils nothing after it', async () => {
    const client = await viaProxy(8_000)
    await client.create('/frame', Buffer.alloc(5000, 7))
    for (const cut of [1, 3, 4, 5, 19, 100, 4000]) {
      proxy.cutAfter = cut
      await refusedWith(client.get('/frame'), 'CONNECTION_LOSS')
      await ready(client)
      assert.equal((await client.get('/frame'))?.data.length, 5000)
    }
    assert.equal(client.counters.expirations, 0)
  })

  test('no operation waits for ever, over the end of the session', async () => {
    const client = await viaProxy()
    await client.create('/ends', bytes('x'), true)
    const before = client.session
    proxy.hold = true
    const asked = [client.get('/ends'), client.create('/never', bytes('x')), client.children('/')]
    proxy.refuse = true
    proxy.cutAll()
    for (const each of asked) await refusedWith(each, 'CONNECTION_LOSS')
    await refusedWith(client.get('/ends'), 'NOT_CONNECTED')
    await eventually(async () => assert.equal(await direct.exists('/ends'), false))
    proxy.hold = proxy.refuse = false
    await ready(client)
    assert.notEqual(client.session, before)
    assert.equal(await client.get('/ends'), undefined)
  })

  test('an answer that does not come in time is an unknown outcome, not a wait', async () => {
    const client = await viaProxy()
    proxy.hold = true
    const late = client.create('/late', bytes('x'))
    await assert.rejects(late, /did not answer in time|was lost/)
    assert.ok(client.counters.timeouts + client.counters.silences > 0)
    proxy.flush()
    await ready(client)
    assert.equal(await client.exists('/late'), true, 'it was done all the same')
  })

  test('slow answers are only slow', async () => {
    const client = await viaProxy(6_000)
    proxy.delayMs = 600
    const begun = clock.now()
    while (clock.now() - begun < 7_000) assert.ok((await client.get('/zookeeper')) !== undefined)
    assert.equal(client.counters.losses, 0)
    assert.ok(client.heldUntil > clock.now())
  })

  test('watches of more than a megabyte outlive the connection', async t => {
    const client = await viaProxy(20_000)
    await direct.create('/watched', bytes('x'))
    const pad = 'x'.repeat(90)
    const told = new Set<string>()
    const name = (i: number): string => `/watched/${pad}${i}`
    for (let from = 0; from < 11_500; from += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, i) =>
          client.exists(name(from + i), () => told.add(name(from + i)))
        )
      )
    const before = client.counters.connections
    proxy.refuse = true
    proxy.cutAll()
    await eventually(() => assert.equal(client.connected, false))
    await direct.create(name(5), bytes('while away'))
    proxy.refuse = false
    const begun = clock.now()
    await ready(client)
    await eventually(() => assert.ok(told.has(name(5))))
    t.diagnostic(`11 500 watches set again after ${Math.round(clock.now() - begun)} ms`)
    await direct.create(name(11_499), bytes('now'))
    await eventually(() => assert.ok(told.has(name(11_499))))
    assert.equal(client.counters.connections, before + 1)
    assert.equal(told.size, 2)
  })

  test('a server that dies and comes back finds the session, its nodes and watches', async () => {
    const client = await viaProxy(20_000)
    const conditions = conditionsOf(client)
    await client.create('/mine', bytes('x'), true)
    let isTold = false
    await client.exists('/awaited', () => {
      isTold = true
    })
    const { session } = client
    await server.kill()
    await eventually(() => assert.deepEqual(conditions, ['suspended']))
    await refusedWith(client.get('/mine'), 'NOT_CONNECTED')
    await server.start()
    await ready(client)
    assert.deepEqual([client.session, conditions], [session, ['suspended', 'connected']])
    assert.equal(await client.exists('/mine'), true)
    await ready(direct)
    await direct.create('/awaited', bytes('x'))
    await eventually(() => assert.ok(isTold))
  })

  test('a server that stalls is left, and found again', async () => {
    const client = await viaProxy()
    server.pause()
    await eventually(() => assert.equal(client.connected, false))
    server.resume()
    await ready(client)
    await ready(direct)
    assert.ok((await client.get('/zookeeper')) !== undefined)
    assert.ok(client.counters.silences > 0)
  })

  test('of several servers, those that are none are passed over', async () => {
    proxy = await FaultProxy.before(server.address, server.port)
    const mute = createServer(() => {})
    const babbler = createServer(socket => {
      socket.on('error', () => {})
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(400))
    })
    for (const each of [mute, babbler]) {
      each.listen(0, proxy.host)
      await once(each, 'listening')
    }
    const address = (each: typeof mute) => ({
      host: proxy.host,
      port: (each.address() as { port: number }).port
    })
    const nobody = { host: proxy.host, port: 1 }
    const wrong = [nobody, address(mute), address(babbler)]
    const lost = clientOf(wrong, { sessionMs: 2_000 })
    const found = clientOf([...wrong, proxy], { sessionMs: 2_000 })
    await ready(found)
    assert.ok((await found.get('/zookeeper')) !== undefined)
    const faults = new Set<string>()
    await eventually(() => {
      faults.add(/ECONNREFUSED|in time|language/.exec(lost.fault)?.[0] ?? '')
      for (const each of ['ECONNREFUSED', 'in time', 'language']) assert.ok(faults.has(each), each)
    })
    assert.equal(lost.connected, false)
    await Promise.all([lost.close(), found.close()])
    for (const each of [mute, babbler]) each.close()
  })

  test('closing ends at once, in whatever state', async () => {
    const client = await viaProxy(30_000)
    await client.create('/closing', bytes('x'), true)
    proxy.blackHole = true
    await client.close()
    await client.close()
    const away = clientOf([{ host: proxy.host, port: 1 }])
    await sleep(clock, 50)
    await away.close()
    assert.equal(await direct.exists('/closing'), true, 'long before its session is over')
    proxy.blackHole = false
  })
})
