// The roles of config/, started as the program: a controller has no agent, makes no host and serves
// the API alone; hosts with the same store are seen there.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe } from 'node:test'
import { run } from '../../src/lab/index.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import { lineOf, Role, START_MS, test } from './role.ts'
import { sharedServer } from './shared.ts'

const TOKEN = 'correct-horse-battery-staple'
const folder = mkdtempSync(join(tmpdir(), 'mezzo-roles-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const tokenFile = join(folder, 'token')
writeFileSync(tokenFile, TOKEN, { mode: 0o600 })

/** What two of them on one machine must not share. */
const apart = (name: string) => ({
  'store.path': join(folder, `${name}.db`),
  'api.socket': join(folder, `${name}.sock`),
  'api.port': 0,
  'metrics.enabled': false
})

/** A host without a kernel. */
const hostly = (name: string) => ({
  ...apart(name),
  'host.name': name,
  'datapath.kind': 'memory',
  'datapath.pins': '',
  'state.store.path': join(folder, `${name}-state`)
})

describe('a controller', () => {
  const embedded = { ...apart('controller'), 'store.kind': 'sqlite', 'api.tokenFile': tokenFile }

  test('serves the API; there is no agent, no host, no flow state', async () => {
    const controller = await Role.start('controller', embedded, TOKEN)
    try {
      assert.deepEqual((await controller.ask('/agents')).body, [])
      assert.deepEqual((await controller.ask('/hosts')).body, [])
      assert.equal((await controller.ask('/bridges', 'POST', { name: 'a' })).status, 201)
      assert.equal((await controller.ask('/health')).body.status, 'ok')
      assert.equal((await fetch(`${controller.url}/bridges`)).status, 401)
      assert.ok(!existsSync(join(folder, 'controller-state')))
      assert.match(controller.job.output, /"packets":false,"msg":"ready"/)
    } finally {
      assert.equal(await controller.stop(), 0)
    }
  })

  test('without its token file, or with nothing to do, it is refused by name', async () => {
    for (const [wrong, complaint] of [
      [{ 'api.tokenFile': join(folder, 'none') }, /api\.tokenFile is .*none.*ENOENT/],
      [{ 'api.enabled': false }, /api\.enabled is false; expected true where host\.packets/],
      [{ 'cluster.address': 'here' }, /cluster\.address is "here"; expected an IP address/],
      [{ 'host.packets': 'no' }, /host\.packets is "no"; expected/],
      [{ 'store.kind': 'zookeeper', 'store.zookeeper.servers': [] }, /zookeeper\.servers/]
    ] as const) {
      const { status, stderr } = await run(lineOf('controller', { ...embedded, ...wrong }), {
        timeoutMs: START_MS
      })
      assert.match(stderr, complaint)
      assert.equal(status, 1)
    }
    chmodSync(tokenFile, 0o644)
    const { stderr } = await run(lineOf('controller', embedded), { timeoutMs: START_MS })
    chmodSync(tokenFile, 0o600)
    assert.match(stderr, /api\.tokenFile is .*0644; expected a file only its owner reads/)
  })
})

const skip = missingForServer() ?? false

describe('roles on ZooKeeper', { skip }, () => {
  test('a controller and hosts of every role share one topology', async () => {
    const server = await sharedServer()
    const shared = {
      'store.kind': 'zookeeper',
      'store.zookeeper.create': true,
      'store.zookeeper.servers': [`${server.address}:${server.port}`]
    }
    const running: Role[] = []
    try {
      const given = { ...apart('c'), ...shared, 'api.tokenFile': tokenFile }
      const controller = await Role.start('controller', given, TOKEN)
      running.push(controller)
      const made = await controller.ask('/bridges', 'POST', { name: 'a' })
      const begin = async (role: string): Promise<void> => {
        const host = await Role.start(role, { ...hostly(role), ...shared })
        running.push(host)
        assert.equal((await host.ask(`/bridges/${made.body.id}`)).body.name, 'a')
      }
      await Promise.all(['compute', 'gateway', 'appliance'].map(begin))
      const hosts = (await controller.ask('/hosts')).body as unknown as { name: string }[]
      assert.deepEqual(hosts.map(({ name }) => name).sort(), ['appliance', 'compute', 'gateway'])
    } finally {
      for (const role of running.reverse()) assert.equal(await role.stop(), 0, role.job.output)
      await server.close()
    }
  })
})
