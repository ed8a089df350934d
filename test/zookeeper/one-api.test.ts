// One API for all hosts: a controller without an agent answers for hosts in processes of their own,
// and says which does not answer and why, within a bound.  What they ask each other is open to
// those alone who have the secret of the store.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as plainly } from 'node:http'
import { type RequestOptions, request } from 'node:https'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { clusterKey, IDENTITY, TLS } from '../../src/api/cluster/credential.ts'
import { CONNECTIONS_PER_SOURCE_MAX } from '../../src/api/http/connections.ts'
import { silentLog } from '../../src/core/log.ts'
import { SystemRandom } from '../../src/core/random.ts'
import { missingForServer, ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import { Appliance } from '../../src/main/appliance.ts'
import { hostTable, REGISTRATION, registrationOf } from '../../src/topology/hosts/registration.ts'
import { rotateStateKey, watchStateKey } from '../../src/topology/state-key.ts'
import { type Answer, call } from '../api/fixture.ts'
import { eventually } from '../store/ground.ts'
import { Role, TEST_MS, test } from './role.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-one-api-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Asked {
  readonly path?: string
  readonly psk?: Uint8Array
  readonly identity?: string
  readonly body?: unknown // a text is sent as it is
  readonly hear?: (part: string) => void
}

const skip = missingForServer() ?? false

describe('one API for all hosts', { skip }, () => {
  let server: ZooKeeperServer
  let front: Appliance // the store of the tests, and a host whose frames they see
  let controller: Role
  const roles = new Map<string, Role>()
  const ids = new Map<string, string>()
  let secret: Uint8Array
  let port: string

  const place = () => ({
    ...({ kind: 'zookeeper', copyPath: ':memory:', chroot: '/one', sessionMs: 6_000 } as const),
    servers: [{ host: server.address, port: server.port }]
  })
  const settings = (name: string) => ({
    'store.kind': 'zookeeper',
    'store.path': join(folder, name, 'mezzo.db'),
    'store.zookeeper.servers': [`${server.address}:${server.port}`],
    'store.zookeeper.create': true,
    'store.zookeeper.chroot': '/one',
    'store.zookeeper.sessionMs': 6_000,
    'state.store.path': join(folder, name, 'state'),
    'api.socket': '',
    'api.port': 0,
    'metrics.enabled': false
  })
  const asHost = (name: string) => ({
    ...settings(name),
    ...{ 'host.name': name, 'datapath.kind': 'memory', 'datapath.pins': '' },
    ...{ 'cluster.address': '127.0.0.1', 'cluster.port': 0 }
  })
  const ask = (path: string, method = 'GET', body?: unknown): Promise<Answer> =>
    controller.ask(path, method, body)
  const listOf = async (path: string) =>
    (await ask(path)).body as unknown as Record<string, unknown>[]
  const made = async (path: string, body: object): Promise<string> => {
    const answer = await ask(path, 'POST', body)
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body.id
  }

  before(
    async () => {
      server = await ZooKeeperServer.make()
      await server.start()
      controller = await Role.start('appliance', { ...settings('c'), 'host.packets': false })
      const begin = async (name: string): Promise<void> => {
        roles.set(name, await Role.start('compute', asHost(name)))
      }
      await Promise.all(['one', 'two'].map(begin))
      for (const { id, name } of await listOf('/hosts')) ids.set(String(name), String(id))
      const plugins = await loadResources()
      front = await Appliance.open({ store: place(), plugins, log: silentLog() })
      await front.join()
      const three = await made('/hosts', { name: 'three' })
      ids.set('three', three)
      const datapath = {
        kind: 'memory',
        address: '192.0.2.3',
        interfaces: ['tap0', 'tap1']
      } as const
      await front.startAgent({
        ...{ id: three, name: 'three', settings: defaultSettings(plugins) },
        datapath: { ...datapath, flowsMax: 64, creditsPerPort: 8 }
      })
      await front.serveHosts({ host: three, address: '127.0.0.1', port: 0 })
      watchStateKey(front.store, new SystemRandom(), key => {
        secret = key
      })
      const bridge = await made('/bridges', { name: 'b' })
      port = await made('/ports', { device: bridge })
      await ask(`/ports/${port}/binding`, 'PUT', { host: three, interface: 'tap0' })
      await eventually(async () => {
        assert.ok(secret !== undefined)
        for (const host of await listOf('/hosts'))
          assert.match(String(host.cluster), /^127\.0\.0\.1:\d+$/, String(host.name))
        assert.equal((await ask(`/ports/${port}`)).body.state, 'up')
      })
    },
    { timeout: TEST_MS }
  )
  after(async () => {
    await front?.close()
    for (const role of [...roles.values(), controller]) await role?.job.stop('SIGKILL')
    await server?.close()
  })

  /** Straight to the place where hosts ask each other; the status, or why there is none. */
  async function atDoorOf(name: string, asked: Asked): Promise<number | string> {
    const host = (await listOf('/hosts')).find(each => each.name === name)!
    const [address, at] = String(host.cluster).split(':')
    const { path = `/hosts/${host.id}/peers`, psk, identity = IDENTITY, body = {} } = asked
    const how: RequestOptions & ConnectionOptions = {
      ...{ host: address, port: Number(at), path, method: 'POST', agent: false },
      headers: { 'content-type': 'application/json' },
      ...(psk === undefined ? { rejectUnauthorized: false } : TLS),
      ...(psk !== undefined && { pskCallback: () => ({ psk, identity }) }),
      checkServerIdentity: () => undefined
    }
    return new Promise(done => {
      const sent = request(how, answer => {
        answer.on('data', part => asked.hear?.(String(part)))
        answer.on('end', () => done(answer.statusCode ?? 0))
      })
      sent.on('error', error => done(error.message))
      sent.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  }

  test('HO-05 a controller without an agent answers for every host', async () => {
    const agents = (await listOf('/agents')).map(({ name, alive }) => [name, alive])
    assert.deepEqual(agents.sort(), [
      ['one', true],
      ['three', true],
      ['two', true]
    ])
    for (const [name, id] of ids) {
      const [first] = await listOf(`/hosts/${id}/interfaces`)
      assert.equal(first?.name, 'underlay', name)
      for (const what of ['flows', 'state', 'peers'])
        assert.equal((await ask(`/hosts/${id}/${what}`)).status, 200, `${what} of ${name}`)
    }
    const interfaces = await listOf(`/hosts/${ids.get('three')}/interfaces`)
    assert.deepEqual(
      interfaces.map(each => [each.name, each.port]),
      [
        ['underlay', undefined],
        ['tap0', port],
        ['tap1', undefined]
      ]
    )
  })

  test('flows of packets elsewhere, and walks there', async () => {
    const three = ids.get('three')!
    const frame = Buffer.from(`ffffffffffff0200000000010800${'00'.repeat(50)}`, 'hex')
    await eventually(async () => {
      front.agent(three)?.input('tap0', frame)
      assert.ok((await listOf(`/hosts/${three}/flows`)).length > 0)
    })
    const packet = 'icmp 10.0.1.5 > 10.0.1.6 dst=02:00:00:00:00:02'
    for (const host of [undefined, three, ids.get('one')]) {
      const { status, body } = await ask('/trace', 'POST', { port, packet, host })
      assert.equal(status, 200, JSON.stringify(body))
      assert.equal(body.host, host ?? three)
      assert.ok(String(body.lines).includes('in'))
    }
  })

  test('a host looks as the others see it, from wherever it is asked', async () => {
    const zone = await made('/tunnel-zones', { name: 'z' })
    for (const [name, address] of [
      ['one', '198.51.100.1'],
      ['two', '198.51.100.2']
    ])
      await made('/tunnel-zone-hosts', { zone, host: ids.get(name!), address })
    const [one, two] = [roles.get('one')!, roles.get('two')!]
    await eventually(async () => {
      const seen = await listOf(`/hosts/${ids.get('one')}/peers`)
      assert.deepEqual(seen[0]?.host, ids.get('two'))
      const path = `/hosts/${ids.get('one')}/peers`
      assert.deepEqual((await two.ask(path)).body, (await one.ask(path)).body)
    })
  })

  test('a binding is judged by the host it is to be on', async () => {
    const other = await made('/ports', { device: (await ask(`/ports/${port}`)).body.device })
    const bind = (name: string, host = 'three') =>
      ask(`/ports/${other}/binding`, 'PUT', { host: ids.get(host), interface: name })
    const { status, body } = await bind('tap9')
    assert.equal(status, 400)
    assert.match(body.error.message, /there are underlay, tap0, tap1/)
    assert.ok((await bind('tap1')).status < 300)
  })

  test('HO-06 without the secret, or with another, no answer; it is counted', async () => {
    const right = clusterKey(secret)
    const wrong = clusterKey(new Uint8Array(32))
    const count = async (name: string) => {
      const page = String((await roles.get('one')!.ask('/metrics')).body)
      return Number(new RegExp(`^mezzo_cluster_${name}_total\\S* (\\d+)`, 'm').exec(page)?.[1])
    }
    assert.equal(await atDoorOf('one', { psk: right }), 200)
    const [refused, answered] = [await count('refused'), await count('answered')]
    for (const asked of [{ psk: wrong }, {}, { psk: secret }, { psk: right, identity: 'root' }])
      assert.match(String(await atDoorOf('one', asked)), /SSL|TLS|hang up|ECONNRESET/)
    const [address, at] = String(
      (await listOf('/hosts')).find(({ name }) => name === 'one')!.cluster
    ).split(':')
    const inTheClear = await new Promise(done => {
      const sent = plainly({ host: address, port: at, path: '/hosts' }, () => done('answered'))
      sent.on('error', () => done('refused'))
      sent.end()
    })
    assert.equal(inTheClear, 'refused')
    await eventually(async () => assert.ok((await count('refused')) >= refused + 5))
    assert.equal(await count('answered'), answered)
  })

  test('HO-06 whoever opens connections and has not got it keeps nobody out', async () => {
    const host = (await listOf('/hosts')).find(({ name }) => name === 'one')!
    const [address, at] = String(host.cluster).split(':')
    const silent = Array.from({ length: 300 }, () => connect(Number(at), address))
    for (const socket of silent) socket.on('error', () => {})
    try {
      await eventually(async () => assert.ok(silent.every(({ connecting }) => !connecting)))
      for (let i = 0; i < 3; i++)
        assert.equal(await atDoorOf('one', { psk: clusterKey(secret) }), 200)
    } finally {
      for (const socket of silent) socket.destroy()
    }
    const counted = async (name: string): Promise<number> => {
      const page = String((await roles.get('one')!.ask('/metrics')).body)
      return Number(new RegExp(`^mezzo_cluster_${name}\\{\\S* (\\d+)`, 'm').exec(page)?.[1])
    }
    assert.ok((await counted('connections_closed_total')) >= 300 - CONNECTIONS_PER_SOURCE_MAX)
    await eventually(async () => assert.equal(await counted('connections'), 0))
  })

  test('HO-06 with it, only what is meant to be asked, and of hosts here', async () => {
    const psk = clusterKey(secret)
    const one = `/hosts/${ids.get('one')}`
    for (const [path, body, status] of [
      [`/hosts/${ids.get('two')}/peers`, {}, 421], // it is not passed on
      [`${one}/nothing`, {}, 501],
      [`${one}/flows`, { limit: 1e9 }, 400],
      [`${one}/flows`, {}, 400],
      [`${one}/trace`, { port, frame: 'zz' }, 400],
      [`${one}/plugin`, { plugin: 'router', operation: 'none', query: {} }, 400],
      [`${one}/state`, { limit: 5, address: 'x'.repeat(300) }, 400],
      ['/bridges', {}, 404],
      ['/', {}, 404]
    ] as const)
      assert.equal(await atDoorOf('one', { psk, path, body }), status, path)
    const body = `{"limit":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
    let said = ''
    const hear = (part: string): string => (said += part)
    assert.equal(await atDoorOf('one', { psk, path: `${one}/flows`, body, hear }), 400)
    assert.match(said, /nested deeper than 16/)
  })

  test('whatever is where a host says it is: 503 that names the host', async () => {
    const ghost = await made('/hosts', { name: 'ghost' })
    const table = front.store.table(hostTable(ghost))
    const one = (await listOf('/hosts')).find(({ name }) => name === 'one')!
    const silent = createServer(() => {})
    const closes = createServer(socket => socket.destroy())
    const speaks = createServer(socket => socket.end('HTTP/1.1 200 OK\r\n\r\n{}'))
    const at = async (listener: Server): Promise<string> => {
      await new Promise<void>(done => listener.listen(0, '127.0.0.1', done))
      return `127.0.0.1:${(listener.address() as AddressInfo).port}`
    }
    const registration = registrationOf(
      await front.store.table(hostTable(String(one.id))).get(REGISTRATION)
    )
    try {
      for (const [cluster, reason] of [
        [one.cluster, /is not here/],
        [await at(silent), /no answer within 5 s/],
        [await at(closes), /127\.0\.0\.1:\d+: /],
        [await at(speaks), /127\.0\.0\.1:\d+: .*SSL/],
        ['127.0.0.1:99999', /99999/],
        ['nobody', /has not said where it may be asked/],
        [undefined, /has not said where it may be asked/]
      ] as const) {
        await table.put(REGISTRATION, JSON.stringify({ ...registration, cluster }))
        await eventually(async () => {
          const { status, body } = await ask(`/hosts/${ghost}/flows`)
          assert.deepEqual([status, body.error.code], [503, 'UNAVAILABLE'])
          assert.match(body.error.message, new RegExp(`host ghost \\(${ghost}\\) does not answer`))
          assert.match(body.error.message, reason)
        })
      }
    } finally {
      for (const listener of [silent, closes, speaks]) listener.close()
    }
    await table.remove(REGISTRATION)
    await ask(`/hosts/${ghost}`, 'DELETE')
  })

  test('a new secret takes the place of the old one everywhere', async () => {
    const before = clusterKey(secret)
    await rotateStateKey(front.store, new SystemRandom())
    await eventually(async () => {
      assert.notDeepEqual(clusterKey(secret), before)
      assert.notEqual(await atDoorOf('one', { psk: before }), 200)
      for (const id of ids.values()) assert.equal((await ask(`/hosts/${id}/peers`)).status, 200)
    })
  })

  test('HO-05 a host that is stopped: 503 that names it, in time; then it is back', async () => {
    const id = ids.get('two')!
    const bounded = async (path: string, method?: string, body?: unknown): Promise<string> => {
      const answer = await ask(path, method, body)
      assert.equal(answer.status, 503, JSON.stringify(answer.body))
      assert.match(answer.body.error.message, new RegExp(`host two \\(${id}\\)`))
      return answer.body.error.message
    }
    const { job } = roles.get('two')!
    job.signal('SIGSTOP')
    const reason = /no answer within 5 s|seen last 20/ // silent, or taken for dead by then
    for (const what of ['flows', 'interfaces', 'state', 'peers'])
      assert.match(await bounded(`/hosts/${id}/${what}`), reason)
    assert.equal((await ask(`/hosts/${ids.get('one')}/flows`)).status, 200)
    await eventually(async () => assert.match(await bounded(`/hosts/${id}/flows`), /seen last 20/))
    const hosts = await listOf('/hosts')
    assert.equal(hosts.find(({ name }) => name === 'two')?.alive, false)
    job.signal('SIGCONT')
    await eventually(async () => assert.equal((await ask(`/hosts/${id}/flows`)).status, 200))
  })

  test('HO-05 a host that is killed: 503 that names it, and when it was seen last', async () => {
    const id = ids.get('one')!
    await roles.get('one')!.job.stop('SIGKILL')
    await eventually(async () => {
      const { status, body } = await ask(`/hosts/${id}/flows`)
      assert.equal(status, 503)
      assert.match(body.error.message, new RegExp(`host one \\(${id}\\).*seen last 20`))
    })
    roles.set('one', await Role.start('compute', asHost('one')))
    await eventually(async () => assert.equal((await ask(`/hosts/${id}/flows`)).status, 200))
  })

  test('a controller follows what hosts say before anybody asks', async () => {
    const tables = async (role: Role): Promise<number> =>
      Number(((await role.ask('/store')).body.counters as Record<string, number>).tables)
    const fresh = await Role.start('appliance', { ...settings('fresh'), 'host.packets': false })
    try {
      await eventually(async () => assert.ok((await tables(fresh)) >= ids.size))
    } finally {
      await fresh.stop()
    }
  })

  test('while ZooKeeper is away all of it goes on', async () => {
    await server.kill()
    await eventually(async () => assert.equal((await ask('/store')).body.state, 'away'))
    assert.ok(Number.isInteger((await ask('/store')).body.awayMs))
    for (const id of ids.values()) assert.equal((await ask(`/hosts/${id}/flows`)).status, 200)
    await server.start()
    await eventually(async () => assert.equal((await ask('/store')).body.state, 'connected'))
  })

  test('one API that asks no other knows its own hosts alone', async () => {
    const alone = await Role.start('appliance', {
      ...{ ...settings('alone'), 'host.packets': false, 'cluster.enabled': false }
    })
    try {
      assert.deepEqual((await alone.ask('/agents')).body, [])
      const { status, body } = await alone.ask(`/hosts/${ids.get('two')}/flows`)
      assert.deepEqual([status, body.error.code], [503, 'UNAVAILABLE'])
    } finally {
      await alone.stop()
    }
  })

  test("the page of counters stays each process's own", async () => {
    const { body } = await call(`${controller.url}/metrics`)
    assert.doesNotMatch(String(body), /host="(one|two|three)"/)
  })
})
