// What an operator, or a hand that edits nodes, gets wrong about a store on ZooKeeper, as the
// program says it: refused at the start by name; found while it runs, it is in `mezzo store status`
// and in the log and the metrics, and all the rest is served as before.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { missingForServer, ZooKeeperServer } from '../../src/lab/services/zookeeper.ts'
import type { ZooKeeper } from '../../src/topology/zookeeper/client/client.ts'
import { clientOf, closeClients, eventually, ready } from './clients.ts'
import { Role, refusalOf, test } from './role.ts'
import { type SharedServer, sharedServer } from './shared.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-bad-input-'))
const running: Role[] = []
let serial = 0

const skip = missingForServer() ?? false

describe('bad input for a store on ZooKeeper', { skip }, () => {
  let server: SharedServer
  before(async () => {
    server = await sharedServer()
  })
  after(async () => {
    await closeClients()
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    for (const role of running.splice(0)) await role.job.stop('SIGKILL')
  })

  /** A store and an API, without packets. */
  const settings = (chroot: string, more: object = {}): Record<string, unknown> => ({
    'host.packets': false,
    'store.kind': 'zookeeper',
    'store.path': join(folder, `${++serial}.db`),
    'store.zookeeper.servers': [`${server.address}:${server.port}`],
    'store.zookeeper.create': true,
    'store.zookeeper.chroot': chroot,
    'api.socket': '',
    'api.port': 0,
    'metrics.enabled': false,
    ...more
  })
  async function start(chroot: string, more: object = {}): Promise<Role> {
    const role = await Role.start('appliance', settings(chroot, more))
    running.push(role)
    return role
  }
  const nodes = (chroot: string): Promise<ZooKeeper> =>
    ready(clientOf([{ host: server.address, port: server.port }], { chroot }))

  async function status(role: Role): Promise<{ exit: number; said: string }> {
    let said = ''
    const say = (text: string): void => {
      said += `${text}\n`
    }
    const exit = await command(['store', 'status'], { api: role.url, say, complain: say })
    return { exit, said }
  }

  const metric = async (role: Role, name: string): Promise<number> => {
    const page = String((await role.ask('/metrics')).body)
    return Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)`, 'm').exec(page)?.[1])
  }

  // It is read and written as if nothing were.
  async function isWell(role: Role): Promise<void> {
    const made = await role.ask('/bridges', 'POST', { name: 'well' })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    assert.equal((await role.ask(`/bridges/${made.body.id}`)).status, 200)
    assert.equal((await status(role)).exit, 0)
    assert.equal(await metric(role, 'mezzo_store_failing'), 0)
  }

  test('what cannot be is refused at the start, by name; a store beside it goes on', async () => {
    const babbler = createServer(socket => {
      socket.on('error', () => {})
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(40))
    })
    const mute = createServer(socket => socket.on('error', () => {}))
    for (const each of [babbler, mute]) {
      each.listen(0, '127.0.9.3')
      await once(each, 'listening')
    }
    const at = (each: typeof mute): string => `127.0.9.3:${(each.address() as AddressInfo).port}`
    const password = (name: string): object => {
      writeFileSync(join(folder, name), name)
      const passwordFile = join(folder, name)
      return { 'store.zookeeper.username': 'mezzo', 'store.zookeeper.passwordFile': passwordFile }
    }
    const begun = [start('/well'), start('/owned', password('right'))]
    const [well, owned] = (await Promise.all(begun)) as [Role, Role]
    const zk = await nodes('')
    for (const [path, text] of [
      ['/kafka', ''],
      ['/kafka/brokers', ''],
      ['/later', ''],
      ['/later/schema', '{"version":99,"tables":3,"id":"x"}'],
      ['/nonsense', ''],
      ['/nonsense/schema', 'all you need']
    ] as const)
      await zk.create(path, Buffer.from(text))
    try {
      const wrong: readonly (readonly [string, object, RegExp])[] = [
        ['/a', { 'store.zookeeper.servers': ['127.0.9.3:1'] }, /127\.0\.9\.3:1: .*ECONNREFUSED/],
        ['/a', { 'store.zookeeper.servers': [at(babbler)] }, /speaks another language/],
        ['/a', { 'store.zookeeper.servers': [at(mute)] }, /did not answer in time/],
        ['/wel', { 'store.zookeeper.create': false }, /zookeeper\.chroot is "\/wel".*store init/],
        ['/owned', password('wrong'), /name and password/],
        ['/owned', {}, /name and password/],
        ['/kafka', {}, /\/kafka cannot be used as a store: it is no store.*brokers/],
        ['/later', {}, /\/later .*its layout is 99.*this Mezzo knows layout/],
        ['/nonsense', {}, /\/nonsense .*its \/schema is not ours/]
      ]
      const refusals = await Promise.all(
        wrong.map(([chroot, more]) => refusalOf('appliance', settings(chroot, more)))
      )
      for (const [i, said] of refusals.entries()) assert.match(said, wrong[i]![2])
      assert.deepEqual(await zk.children('/kafka'), ['brokers'])
      for (const path of ['/a', '/wel']) assert.equal(await zk.exists(path), false)
      for (const role of [well, owned]) await isWell(role)
    } finally {
      for (const each of [babbler, mute]) each.close()
    }
  })

  test('a change edited by hand: no more are taken, what is there is served', async () => {
    const begun = [start('/edited'), start('/beside')]
    const [role, beside] = (await Promise.all(begun)) as [Role, Role]
    await isWell(role)
    const zk = await nodes('/edited')
    const next = Math.max(...(await zk.children('/log'))!.map(Number)) + 1
    const path = `/log/${String(next).padStart(12, '0')}`
    await zk.create(path, Buffer.from('by hand'))
    await eventually(async () => {
      const { exit, said } = await status(role)
      assert.deepEqual([exit, said.includes(path), /halted/.test(said)], [1, true, true], said)
    })
    await role.job.waitFor(new RegExp(`"level":"error".*${path}`), 60_000)
    assert.equal(await metric(role, 'mezzo_store_failing'), 1)
    const bridges = await role.ask('/bridges')
    assert.deepEqual([bridges.status, (bridges.body as unknown as object[]).length], [200, 1])
    const write = await role.ask('/bridges', 'POST', {})
    assert.deepEqual([write.status, write.body.error.message.includes(path)], [503, true])
    await isWell(beside)
  })

  test('a table edited by hand stands still, alone, until the node is removed', async () => {
    const role = await start('/table', {
      ...{ 'host.packets': true, 'datapath.kind': 'memory', 'datapath.pins': '' },
      'state.store.path': join(folder, 'flow-state')
    })
    const zk = await nodes('/table')
    let table: string | undefined
    await eventually(async () => {
      assert.equal((await role.ask('/hosts')).status, 200)
      table = (await zk.children('/tables'))!.find(name => name.startsWith('host'))
      assert.ok(table !== undefined)
    })
    const n = await zk.append(`/tables/${table}`, Buffer.from('by hand'))
    const path = `/tables/${table}/${String(n).padStart(10, '0')}`
    await eventually(async () => assert.ok((await status(role)).said.includes(path)))
    await role.job.waitFor(new RegExp(`"level":"warn".*${path}`), 60_000)
    assert.ok((await metric(role, 'mezzo_store_table_faults')) > 0)
    assert.ok(JSON.stringify((await role.ask('/health')).body.notes).includes(path))
    await isWell(role)
    assert.equal((await role.ask('/hosts')).status, 200)
    await zk.remove(path)
    await eventually(async () => assert.ok(!(await status(role)).said.includes(`fault  ${path}`)))
    await isWell(role)
  })

  test('an ensemble of one: all is well while it lives, then all but writes', async () => {
    const [one] = await ZooKeeperServer.ensemble(1)
    await one!.start()
    try {
      const role = await start('/one', {
        'store.zookeeper.servers': [`${one!.address}:${one!.port}`]
      })
      await isWell(role)
      await one!.kill()
      await eventually(async () => {
        const { exit, said } = await status(role)
        assert.deepEqual([exit, /away/.test(said), /ECONNREFUSED/.test(said)], [1, true, true])
      })
      await role.job.waitFor(/"level":"error".*no connection to ZooKeeper/, 60_000)
      assert.equal(await metric(role, 'mezzo_store_failing'), 1)
      assert.ok((await metric(role, 'mezzo_store_away_ms')) > 0)
      assert.equal((await role.ask('/bridges')).status, 200)
      assert.equal((await role.ask('/bridges', 'POST', {})).status, 503)
      await one!.start()
      await eventually(() => isWell(role))
    } finally {
      await one!.close()
    }
  })
})
