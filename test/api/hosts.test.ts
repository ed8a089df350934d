// What the API says of hosts: their agents register while they live, and it is known of the others
// when they were seen last.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import {
  hostTable,
  REGISTRATION,
  registrationOf,
  SEEN,
  seenOf
} from '../../src/topology/hosts/registration.ts'
import { eventually } from '../store/ground.ts'
import { call } from './fixture.ts'
import { HOST, openSystem, post, type ServedSystem } from './system.ts'

const manifest = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
) as { version: string }

describe('hosts', () => {
  let served: ServedSystem
  before(async () => {
    served = await openSystem(['tap0', 'tap1', 'tap2', 'tap3'])
  })
  after(() => served.system.close())

  const host = async () => (await call(`${served.url}/hosts/${HOST}`)).body
  const isAlive = (alive: boolean) =>
    eventually(async () => assert.equal((await host()).alive, alive))

  test('HO-03 a host says who it is, what it has, where its API is', async () => {
    await isAlive(true)
    await eventually(async () => assert.equal((await host()).api, served.url))
    const { name, role, version, machine, pid, addresses, interfaces, lastSeen } = await host()
    assert.deepEqual([name, role, version], ['compute1', 'host', manifest.version])
    assert.deepEqual([machine, pid], [hostname(), process.pid])
    assert.deepEqual(addresses, ['192.0.2.1'])
    assert.deepEqual(interfaces, ['underlay', 'tap0', 'tap1', 'tap2', 'tap3'])
    assert.equal(lastSeen, undefined)
    assert.ok(Date.parse(String((await host()).since)) <= served.system.clock.wall())
  })

  test('its ports and its load follow', async () => {
    assert.equal((await host()).ports, 0)
    const bridge = await post(`${served.url}/bridges`, {})
    const port = await post(`${served.url}/ports`, { device: bridge })
    await call(`${served.url}/ports/${port}/binding`, 'PUT', { host: HOST, interface: 'tap0' })
    await eventually(async () => {
      await served.system.agent(HOST)?.freshCounters()
      await served.system.agent(HOST)?.register()
      assert.equal((await host()).ports, 1)
    })
    const { flows, upcalls } = await host()
    assert.deepEqual([flows, upcalls], [0, 0])
  })

  test('mezzo host list shows them; a host that nobody serves is not alive', async () => {
    await post(`${served.url}/hosts`, { name: 'empty' })
    let out = ''
    const say = (text: string) => (out += `${text}\n`)
    assert.equal(await command(['host', 'list'], { api: served.url, say, complain: say }), 0)
    const [head, ...rows] = out.trim().split('\n')
    assert.match(head!, /name +alive +role +version/)
    assert.match(rows.find(row => row.includes('compute1'))!, /compute1 +true +host +\d/)
    assert.match(rows.find(row => row.includes('compute1'))!, / underlay, tap0, tap1, 2 more/)
    assert.match(rows.find(row => row.includes('empty'))!, /empty +false +- +-/)
  })

  test("what it says is not the client's to set", async () => {
    const { status, body } = await call(`${served.url}/hosts`, 'POST', { name: 'x', alive: true })
    assert.deepEqual([status, body.error.faults[0]?.field], [400, 'alive'])
    assert.equal((await call(`${served.url}/hosts/${HOST}`, 'PUT', await host())).status, 200)
  })

  test('HO-03 one that dies is seen no more, from when it was seen last; and is back', async () => {
    const before = (await host()).since
    await served.system.agent(HOST)?.kill()
    await isAlive(false)
    const { lastSeen, role, ports } = await host()
    assert.ok(Date.parse(String(lastSeen)) >= Date.parse(String(before)) - 1_000)
    assert.deepEqual([role, ports], [undefined, undefined])
    await served.start()
    await isAlive(true)
    await served.system.agent(HOST)?.stop()
    await isAlive(false)
    await served.start()
    await isAlive(true)
  })

  test('when a host was seen is forgotten with it', async () => {
    const id = await post(`${served.url}/hosts`, { name: 'forgotten' })
    const table = served.system.store.table(hostTable(id))
    await table.seed(SEEN, '1000')
    const { alive, lastSeen } = (await call(`${served.url}/hosts/${id}`)).body
    assert.deepEqual([alive, lastSeen], [false, '1970-01-01T00:00:01.000Z'])
    assert.equal((await call(`${served.url}/hosts/${id}`, 'DELETE')).status, 204)
    assert.deepEqual(await table.entries(), [])
  })

  test('when it was seen may be nonsense in the store', async () => {
    assert.equal(seenOf('1000'), '1970-01-01T00:00:01.000Z')
    for (const text of [undefined, '', '0', '-1', 'x', '9e99', 'Infinity', 'NaN'])
      assert.equal(seenOf(text), undefined, text)
  })

  test('what a later version adds is left out', () => {
    const said = { role: 'x', version: '9', machine: 'm', pid: 1, since: '2026-01-01T00:00:00Z' }
    const more = { addresses: [], interfaces: [], ports: 0, flows: 0, upcalls: 0 }
    const known = registrationOf(JSON.stringify({ ...said, ...more, later: [1] }))
    assert.deepEqual(known, { ...said, ...more })
  })

  test('interfaces that no port can have leave room for what a host says', async () => {
    const odd = Array.from({ length: 64 }, (_, i) => `${'\u001b'.repeat(13)}${i + 10}`)
    const own = await openSystem([...odd, 'tap0'])
    try {
      await eventually(async () => {
        const { body } = await call(`${own.url}/hosts/${HOST}`)
        assert.deepEqual([body.alive, body.interfaces], [true, ['underlay', 'tap0']])
      })
    } finally {
      await own.system.close()
    }
  })

  test('what somebody else wrote there is no registration', async () => {
    await served.system.agent(HOST)?.stop() // it would say again who it is
    for (const text of ['', 'nonsense', '{}', '[]', '{"role":1}']) {
      assert.equal(registrationOf(text), undefined)
      if (text === '') continue
      await served.system.store.table(hostTable(HOST)).put(REGISTRATION, text)
      assert.equal((await host()).alive, false)
    }
  })
})
