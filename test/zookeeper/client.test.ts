// The client on a real server, on good days: operations, watches, sessions, access, TLS.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { missingForServer, ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import { isZooKeeperError } from '../../src/topology/zookeeper/client/errors.ts'
import { clientOf, closeClients, eventually, ready, refusedWith } from './clients.ts'

const skip = missingForServer() ?? false
const bytes = (text: string): Buffer => Buffer.from(text)

describe('the ZooKeeper client', { skip }, () => {
  let server: ZooKeeperServer
  const at = () => [{ host: server.address, port: server.port }]
  before(async () => {
    server = await ZooKeeperServer.make({ tls: true })
    await server.start()
  })
  after(async () => {
    await closeClients()
    await server.close()
  })

  test('nodes are made, read, changed by version, and removed', async () => {
    const client = await ready(clientOf(at(), { chroot: '/plain/deep' }))
    await client.makeRoot()
    await client.makeRoot()
    await client.create('/a', bytes('one'))
    await refusedWith(client.create('/a', bytes('x')), 'NODE_EXISTS')
    const found = await client.get('/a')
    assert.deepEqual([found?.data.toString(), found?.version], ['one', 0])
    await client.set('/a', bytes('two'), 0)
    await refusedWith(client.set('/a', bytes('x'), 0), 'BAD_VERSION')
    await client.create('/a/b', Buffer.alloc(0))
    assert.deepEqual(await client.children('/a'), ['b'])
    await refusedWith(client.remove('/a'), 'NOT_EMPTY')
    await client.remove('/a/b')
    await refusedWith(client.remove('/a', 0), 'BAD_VERSION')
    await client.remove('/a', 1)
    assert.equal(await client.get('/a'), undefined)
    assert.equal(await client.children('/a'), undefined)
    assert.equal(await client.exists('/a'), false)
    await client.sync()
  })

  test('a multi is all or nothing, and version 0 counts', async () => {
    const client = await ready(clientOf(at(), { chroot: '/multi' }))
    await client.makeRoot()
    await client.multi([
      { op: 'create', path: '/a', data: bytes('1') },
      { op: 'create', path: '/b', data: bytes('2') }
    ])
    await client.set('/a', bytes('changed'))
    const late = client.multi([
      { op: 'set', path: '/b', data: bytes('3') },
      { op: 'remove', path: '/a', version: 0 }
    ])
    await refusedWith(late, 'BAD_VERSION')
    const check = client.multi([
      { op: 'set', path: '/b', data: bytes('3') },
      { op: 'check', path: '/a', version: 0 }
    ])
    await refusedWith(check, 'BAD_VERSION')
    assert.equal((await client.get('/b'))?.data.toString(), '2')
  })

  test('a watch is told once: of a node that comes, changes, goes, of its children', async () => {
    const [a, b] = await Promise.all([
      ready(clientOf(at(), { chroot: '/watch' })),
      ready(clientOf(at(), { chroot: '/watch' }))
    ])
    await a.makeRoot()
    const told: string[] = []
    assert.equal(await b.exists('/n', () => told.push('came')), false)
    await b.children('/', () => told.push('child'))
    await a.create('/n', bytes('1'))
    await eventually(() => assert.deepEqual(told.sort(), ['came', 'child']))
    await b.get('/n', () => told.push('changed'))
    await a.set('/n', bytes('2'))
    await eventually(() => assert.equal(told.length, 3))
    await a.set('/n', bytes('3'))
    await b.exists('/n', () => told.push('gone'))
    await a.remove('/n')
    await eventually(() => assert.deepEqual(told.slice(2), ['changed', 'gone']))
  })

  test('what is ephemeral goes with a session that closes, and stands when it leaves', async () => {
    const client = await ready(clientOf(at(), { chroot: '/session' }))
    await client.makeRoot()
    for (const way of ['close', 'leave'] as const) {
      // Long enough that a busy machine looks before it is over.
      const other = await ready(clientOf(at(), { chroot: '/session', sessionMs: 5_000 }))
      await other.create(`/${way}`, bytes('x'), true)
      await other[way]()
      assert.equal(await client.exists(`/${way}`), way === 'leave')
      await eventually(async () => assert.equal(await client.exists(`/${way}`), false))
    }
  })

  test('nodes of a name and password are for them alone', async () => {
    const credentials = { username: 'mezzo', password: 'right' }
    const owner = await ready(clientOf(at(), { chroot: '/owned', credentials }))
    await owner.makeRoot()
    await owner.create('/a', bytes('secret'))
    assert.equal((await owner.get('/a'))?.data.toString(), 'secret')
    for (const other of [undefined, { ...credentials, password: 'wrong' }]) {
      const stranger = await ready(clientOf(at(), { chroot: '/owned', credentials: other }))
      await refusedWith(stranger.get('/a'), 'NO_AUTH', /name and password/)
      await refusedWith(stranger.create('/b', bytes('x')), 'NO_AUTH')
    }
  })

  test('TLS to a server that its certificate names; to no other', async () => {
    const secure = [{ host: server.address, port: server.securePort }]
    const ca = readFileSync(server.caFile)
    const client = await ready(clientOf(secure, { chroot: '/tls', tls: { ca } }))
    await client.makeRoot()
    await client.create('/big', Buffer.alloc(300_000, 7))
    assert.equal((await client.get('/big'))?.data.length, 300_000)
    const stranger = clientOf(secure, { chroot: '/tls', tls: {} })
    await eventually(() => assert.match(stranger.fault, /certificate/))
    await refusedWith(stranger.get('/big'), 'NOT_CONNECTED', /certificate/)
    assert.equal(await stranger.ready(500), false)
  })

  test('a request that the server would cut the connection for is refused here', async () => {
    const client = await ready(clientOf(at(), { chroot: '/large' }))
    await client.makeRoot()
    await refusedWith(client.create('/a', Buffer.alloc(1_100_000)), 'TOO_LARGE', /1100\d+ of/)
    const half = { op: 'create', path: '/a', data: Buffer.alloc(600_000) } as const
    await refusedWith(client.multi([half, { ...half, path: '/b' }]), 'TOO_LARGE')
    await client.create('/a', Buffer.alloc(900_000))
    assert.equal(client.counters.connections, 1)
  })

  test('twelve thousand answers at once', async t => {
    // A busy machine's server takes its time over so many: that is no fault of the connection.
    const patient = { sessionMs: 40_000, operationMs: 60_000 }
    const client = await ready(clientOf(at(), { chroot: '/many', ...patient }))
    await client.makeRoot()
    const some = Array.from({ length: 6000 }, (_, i) => client.create(`/${i}`, bytes('x')))
    await Promise.all(some)
    const all = await Promise.all(Array.from({ length: 6000 }, (_, i) => client.get(`/${i}`)))
    assert.ok(all.every(node => node?.data.toString() === 'x'))
    assert.equal((await client.children('/'))?.length, 6000)
    const more = Array.from({ length: 9000 }, () => client.exists('/1'))
    const settled = await Promise.allSettled(more)
    const refused = settled.filter(each => each.status === 'rejected')
    assert.ok(refused.every(({ reason }) => isZooKeeperError(reason, 'TOO_MANY')))
    t.diagnostic(`${refused.length} of 9000 operations at once were refused`)
    assert.ok(refused.length > 0)
  })
})
