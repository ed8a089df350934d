// Create, read, replace, change and delete, for every model there is; what belongs together; what
// a client may not decide.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { call, openSystem, type System } from './fixture.ts'
import { create, createSample, modelTexts, sampleOf } from './samples.ts'

let system: System
before(async () => {
  system = await openSystem()
})
after(() => system.close())

const at = (path: string): string => system.url + path

test('INV-22: every model lives through create, read, replace, change, delete', async t => {
  for (const { kind, plural } of await modelTexts(system))
    await t.test(kind, async () => {
      const made = await call(at(`/${plural}`), 'POST', await sampleOf(system, kind))
      assert.equal(made.status, 201, JSON.stringify(made.body))
      const path = `/${plural}/${made.body.id}`
      assert.equal(made.headers.get('location'), path)

      const read = await call(at(path))
      assert.deepEqual(read.body, made.body)
      assert.equal(read.headers.get('etag'), made.headers.get('etag'))
      const list = await call(at(`/${plural}`))
      assert.ok((list.body as unknown as { id: string }[]).some(({ id }) => id === made.body.id))

      const put = await call(at(path), 'PUT', read.body)
      assert.equal(put.status, 200, JSON.stringify(put.body))
      assert.deepEqual(put.body, read.body)
      assert.equal(put.headers.get('etag'), read.headers.get('etag'), 'PUT of what was read')
      const patch = await call(at(path), 'PATCH', {})
      assert.equal(patch.headers.get('etag'), read.headers.get('etag'), 'PATCH of nothing')

      assert.equal((await call(at(path), 'DELETE')).status, 204)
      const again = await call(at(path), 'DELETE')
      assert.equal(again.status, 404)
      assert.equal(again.body.error.code, 'NOT_FOUND')
      assert.equal((await call(at(path))).status, 404)
    })
})

test('INV-22: unknown keys and numbers as text are refused, not guessed', async () => {
  const id = await createSample(system, 'bridge')
  for (const body of [{ nmae: 'x' }, { macsMax: '100' }, { adminStateUp: 'true' }]) {
    const answer = await call(at(`/bridges/${id}`), 'PATCH', body)
    assert.equal(answer.status, 400)
    assert.equal(answer.body.error.faults[0]?.field, Object.keys(body)[0])
  }
})

test('a client may choose the id, once', async () => {
  const id = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a11'
  assert.equal(await create(system, '/bridges', { id }), id)
  const twice = await call(at('/bridges'), 'POST', { id })
  assert.equal(twice.status, 409)
  assert.equal(twice.body.error.code, 'EXISTS')
  const bad = await call(at('/bridges'), 'POST', { id: 'br1' })
  assert.equal(bad.status, 400)
  assert.equal(bad.body.error.faults[0]?.field, 'id')
})

test('a value that must be unique is refused with its field and value', async () => {
  await create(system, '/hosts', { name: 'taken' })
  const answer = await call(at('/hosts'), 'POST', { name: 'taken' })
  assert.equal(answer.status, 409)
  const [fault] = answer.body.error.faults
  assert.equal(fault?.field, 'name')
  assert.equal(fault?.value, 'taken')
})

test('PUT replaces: what is not named falls back to its default', async () => {
  const id = await create(system, '/bridges', { name: 'full', tenant: 't', macsMax: 7 })
  const { body } = await call(at(`/bridges/${id}`), 'PUT', { name: 'full' })
  assert.equal(body.tenant, undefined)
  assert.equal(body.macsMax, 8192)
})

test('PATCH changes what is named; null takes a field away', async () => {
  const id = await create(system, '/bridges', { name: 'patched', tenant: 't' })
  const { body } = await call(at(`/bridges/${id}`), 'PATCH', { tenant: null, macsMax: 9 })
  assert.deepEqual([body.name, body.tenant, body.macsMax], ['patched', undefined, 9])
  const merged = { 'content-type': 'application/merge-patch+json' }
  const other = await call(at(`/bridges/${id}`), 'PATCH', '{"name":"again"}', merged)
  assert.equal(other.body.name, 'again')
})

test('what belongs to a device is made and listed below it', async () => {
  const router = await create(system, '/routers', { name: 'r' })
  const bridge = await create(system, '/bridges', { name: 'b' })
  const port = await create(system, `/routers/${router}/ports`, { addresses: ['10.0.1.1/24'] })
  const { body } = await call(at(`/ports/${port}`))
  assert.deepEqual([body.device, body.type], [router, 'router'])
  assert.match(String(body.mac), /^02:4d(:[0-9a-f]{2}){4}$/)

  const list = async (path: string) => (await call(at(path))).body as unknown as { id: string }[]
  assert.deepEqual(
    (await list(`/routers/${router}/ports`)).map(each => each.id),
    [port]
  )
  assert.deepEqual(await list(`/bridges/${bridge}/ports`), [])
  const route = { destination: '0.0.0.0/0', port, gateway: '10.0.1.2' }
  const routeId = await create(system, `/routers/${router}/routes`, route)
  assert.deepEqual(
    (await list(`/routers/${router}/routes`)).map(each => each.id),
    [routeId]
  )
  assert.deepEqual(
    (await list(`/ports/${port}/routes`)).map(each => each.id),
    [routeId]
  )
  const zone = await create(system, '/tunnel-zones', { name: 'z' })
  const host = await create(system, '/hosts', { name: 'in-zone' })
  const member = await create(system, `/tunnel-zones/${zone}/hosts`, { host, address: '10.9.0.1' })
  assert.deepEqual(
    (await list(`/tunnel-zones/${zone}/hosts`)).map(each => each.id),
    [member]
  )
})

test('below a device that is not there, nothing is', async () => {
  const nobody = '/routers/3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99/ports'
  assert.equal((await call(at(nobody))).status, 404)
  assert.equal((await call(at(nobody), 'POST', {})).status, 404)
})

test('a body that contradicts the path or the device is refused', async () => {
  const router = await create(system, '/routers', {})
  const bridge = await create(system, '/bridges', {})
  const faults = async (path: string, body: unknown) => {
    const answer = await call(at(path), 'POST', body)
    assert.equal(answer.status, 400)
    return answer.body.error.faults.map(fault => fault.field)
  }
  assert.deepEqual(await faults(`/routers/${router}/ports`, { device: bridge }), ['device'])
  assert.deepEqual(await faults(`/routers/${router}/ports`, { type: 'bridge' }), ['type'])
  assert.deepEqual(await faults('/ports', { device: bridge, type: 'router' }), ['type'])
  assert.deepEqual(await faults('/ports', { device: bridge, mac: '02:00:00:00:00:01' }), ['mac'])
  assert.deepEqual(await faults('/ports', { type: 'bridge' }), ['device'])
  const route = {
    destination: '10.0.0.0/8',
    port: await create(system, '/ports', { device: bridge })
  }
  assert.deepEqual(await faults(`/routers/${router}/routes`, route), ['port'])
})

test('what Mezzo gives out, and what has a route of its own, cannot be set', async () => {
  const bridge = await create(system, '/bridges', {})
  const host = await create(system, '/hosts', { name: 'managed' })
  const id = await create(system, `/bridges/${bridge}/ports`, {})
  const other = await create(system, '/bridges', {})
  const made = await call(at('/ports'), 'POST', { device: bridge, number: 9, peer: id })
  assert.deepEqual(
    made.body.error.faults.map(fault => fault.field),
    ['number', 'peer']
  )
  for (const body of [
    { number: 0xfffe },
    { host, interface: 'eth0' },
    { device: other },
    { type: 'router' },
    { id: other },
    { number: null }
  ]) {
    const answer = await call(at(`/ports/${id}`), 'PATCH', body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.equal(answer.body.error.faults[0]?.field, Object.keys(body)[0])
  }
})

test('an object others need stays; what belongs to it goes with it', async () => {
  const host = await create(system, '/hosts', { name: 'needed' })
  const zone = await create(system, '/tunnel-zones', { name: 'needing' })
  const member = await create(system, `/tunnel-zones/${zone}/hosts`, { host, address: '10.9.0.2' })
  const refused = await call(at(`/hosts/${host}`), 'DELETE')
  assert.equal(refused.status, 409)
  assert.equal(refused.body.error.code, 'REFERENCED')
  assert.match(refused.body.error.message, new RegExp(member))
  assert.equal((await call(at(`/tunnel-zones/${zone}`), 'DELETE')).status, 204)
  assert.equal((await call(at(`/tunnel-zone-hosts/${member}`))).status, 404)
  assert.equal((await call(at(`/hosts/${host}`), 'DELETE')).status, 204)
})

test('a reference to nothing names the field and the value', async () => {
  const chain = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a77'
  const answer = await call(at('/bridges'), 'POST', { inFilter: chain })
  assert.equal(answer.status, 400)
  assert.equal(answer.body.error.code, 'MISSING_REFERENCE')
  assert.equal(answer.body.error.faults[0]?.field, 'inFilter')
  assert.match(String(answer.body.error.faults[0]?.value), new RegExp(chain))
})
