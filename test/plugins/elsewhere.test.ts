// Routes of a plugin, asked at the API of a process that does not run the host: the host answers,
// also those that change something there; a host that is away is named, and nothing is done.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { clusterKey, TLS } from '../../src/api/cluster/credential.ts'
import { silentLog } from '../../src/core/log.ts'
import { SystemRandom } from '../../src/core/random.ts'
import { Appliance } from '../../src/main/appliance.ts'
import { hostTable, REGISTRATION, registrationOf } from '../../src/topology/hosts/registration.ts'
import { watchStateKey } from '../../src/topology/state-key.ts'
import { call } from '../api/fixture.ts'
import { eventually } from '../store/ground.ts'

const HOST = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'
const folder = mkdtempSync(join(tmpdir(), 'mezzo-elsewhere-'))
const plugins = await loadResources([new URL('./', import.meta.url)])
let host: Appliance
let other: Appliance
let url: string

before(async () => {
  const options = { storePath: join(folder, 'mezzo.db'), plugins, log: silentLog() }
  host = await Appliance.open(options)
  other = await Appliance.open(options)
  await host.store.write([{ op: 'create', kind: 'host', value: { id: HOST, name: 'compute1' } }])
  await Promise.all([host.join(), other.join()])
  const datapath = { kind: 'memory', address: '192.0.2.1', interfaces: ['tap0'] } as const
  await host.startAgent({
    ...{ id: HOST, name: 'compute1', settings: defaultSettings(plugins) },
    datapath: { ...datapath, flowsMax: 64, creditsPerPort: 8 }
  })
  await host.serveHosts({ host: HOST, address: '127.0.0.1', port: 0 })
  url = `${await other.listen({ host: '127.0.0.1', port: 0 })}/hosts/${HOST}/repeater`
})
after(async () => {
  await other.close()
  await host.close()
  rmSync(folder, { recursive: true, force: true })
})

test('what is read there is answered by its host', async () => {
  await eventually(async () => {
    const { status, body } = await call(`${url}/heard`)
    assert.deepEqual([status, body.host, body.ports], [200, 'compute1', []])
  })
})

test('what the host refuses is refused, in its words', async () => {
  const { status, body } = await call(`${url}/heard?port=${HOST}`)
  assert.deepEqual([status, body.error.code], [404, 'NOT_FOUND'])
  assert.match(body.error.message, /^host compute1: port 3c7d2c52.* does not exist$/)
})

test('what changes something there is done by its host, once', async () => {
  const at = url.replace(/\/hosts.*/, '')
  const device = await call(`${at}/repeaters`, 'POST', { name: 'r' })
  const port = await call(`${at}/ports`, 'POST', { device: device.body.id })
  const binding = { host: HOST, interface: 'tap0' }
  assert.equal((await call(`${at}/ports/${port.body.id}/binding`, 'PUT', binding)).status, 200)
  const programs = async () =>
    (await call(`${url}/heard`)).body.ports as { pid?: number; restarts: number }[]
  await eventually(async () => assert.ok((await programs())[0]?.pid !== undefined))
  const [before] = await programs()
  assert.equal((await call(`${url}/reset`, 'POST')).status, 204)
  await eventually(async () => {
    const [now] = await programs()
    assert.ok(now?.pid !== undefined && now.pid !== before!.pid)
    assert.equal(now.restarts, before!.restarts + 1)
  })
})

test('a body and a query reach the host, and its refusals come back', async () => {
  const speaker = `${url.replace('/repeater', '/speaker')}/route`
  const [router, prefix] = [randomUUID(), '172.16.0.0/12']
  const nextHops = [{ port: randomUUID(), gateway: 'nonsense' }]
  const { status, body } = await call(speaker, 'PUT', { router, prefix, nextHops })
  assert.deepEqual([status, body.error.code], [400, 'INVALID'], JSON.stringify(body))
  assert.match(body.error.message, /^host compute1: /)
  assert.equal((await call(`${speaker}?router=${router}`, 'DELETE')).status, 204)
  assert.equal((await call(`${speaker}?colour=red`, 'DELETE')).status, 400)
})

test('a change that was sent and not answered is not tried again, and it is said', async () => {
  let secret: Uint8Array | undefined
  const watch = watchStateKey(host.store, new SystemRandom(), key => {
    secret = key
  })
  await watch.ready
  let heard = 0
  const pskCallback = (): Buffer => clusterKey(secret!)
  const cut = createServer({ ...TLS, pskCallback }, request => {
    heard++
    request.socket.destroy()
  })
  await new Promise<void>(done => cut.listen(0, '127.0.0.1', done))
  const ghost = { id: randomUUID(), name: 'ghost' }
  await host.store.write([{ op: 'create', kind: 'host', value: ghost }])
  const cluster = `127.0.0.1:${(cut.address() as AddressInfo).port}`
  const table = host.store.table(hostTable(ghost.id))
  const known = registrationOf(await host.store.table(hostTable(HOST)).get(REGISTRATION))
  await table.put(REGISTRATION, JSON.stringify({ ...known, cluster }))
  const ask = (method: string, path: string) =>
    call(url.replace(HOST, ghost.id).replace(/$/, path), method)
  await eventually(async () => {
    const { status, body } = await ask('GET', '/heard')
    assert.equal(status, 503)
    assert.match(body.error.message, /host ghost \(.*does not answer: 127/)
    assert.doesNotMatch(body.error.message, /not known/)
  })
  heard = 0
  const { status, body } = await ask('POST', '/reset')
  assert.deepEqual([status, heard], [503, 1])
  assert.match(body.error.message, /host ghost .*; whether it was done there is not known$/)
  watch.close()
  cut.close()
})

test('a host that is away is a 503 that names it, and nothing is done', async () => {
  await host.close()
  await eventually(async () => {
    const { status, body } = await call(`${url}/reset`, 'POST')
    assert.deepEqual([status, body.error.code], [503, 'UNAVAILABLE'])
    assert.match(body.error.message, /host compute1 \(.*does not/)
    assert.doesNotMatch(body.error.message, /not known/)
  })
})
