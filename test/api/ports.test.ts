// Links and bindings: both ends or none, one winner, and every refusal with its reason.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Body, call, openSystem, type System } from './fixture.ts'
import { create } from './samples.ts'

let system: System
let bridge: string
before(async () => {
  system = await openSystem()
  bridge = await create(system, '/bridges', { name: 'br' })
})
after(() => system.close())

const at = (path: string): string => system.url + path
const newPort = (): Promise<string> => create(system, `/bridges/${bridge}/ports`, {})
const NOBODY = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a99'

async function newHost(name: string, interfaces?: readonly string[]): Promise<string> {
  const id = await create(system, '/hosts', { name })
  if (interfaces !== undefined) system.agents.report(id, name, interfaces)
  return id
}

async function refused(method: string, path: string, body: unknown, status: number, field: string) {
  const answer = await call(at(path), method, body)
  assert.equal(answer.status, status, JSON.stringify(answer.body))
  const [fault] = answer.body.error.faults
  assert.equal(fault?.field, field)
  assert.ok(fault?.expected)
}

test('a link is written at both ports and taken from both', async () => {
  const [a, b] = [await newPort(), await newPort()]
  assert.equal((await call(at(`/ports/${a}/link`), 'POST', { peer: b })).status, 201)
  assert.equal((await call(at(`/ports/${a}`))).body.peer, b)
  assert.equal((await call(at(`/ports/${b}`))).body.peer, a)
  assert.equal((await call(at(`/ports/${b}/link`))).body.peer, a)
  assert.equal((await call(at(`/ports/${a}/link`), 'POST', { peer: b })).status, 201, 'again')
  assert.equal((await call(at(`/ports/${b}/link`), 'DELETE')).status, 204)
  assert.equal((await call(at(`/ports/${a}`))).body.peer, undefined)
  assert.equal((await call(at(`/ports/${a}/link`), 'DELETE')).status, 404)
  assert.equal((await call(at(`/ports/${a}/link`))).status, 404)
})

test('a linked port keeps its link through PUT, and frees its peer when it goes', async () => {
  const [a, b] = [await newPort(), await newPort()]
  await call(at(`/ports/${a}/link`), 'POST', { peer: b })
  const { body } = await call(at(`/ports/${a}`))
  assert.equal((await call(at(`/ports/${a}`), 'PUT', body)).status, 200)
  assert.equal((await call(at(`/ports/${a}`), 'PUT', { name: 'named' })).body.peer, b)
  await call(at(`/ports/${a}`), 'DELETE')
  assert.equal((await call(at(`/ports/${b}`))).body.peer, undefined)
})

test('links that cannot be are refused', async () => {
  const [a, b, c] = [await newPort(), await newPort(), await newPort()]
  const host = await newHost('h-link')
  await call(at(`/ports/${c}/binding`), 'PUT', { host, interface: 'eth0' })
  await refused('POST', `/ports/${a}/link`, { peer: a }, 400, 'peer')
  await refused('POST', `/ports/${a}/link`, { peer: NOBODY }, 400, 'peer')
  await refused('POST', `/ports/${a}/link`, { peer: 'x' }, 400, 'peer')
  await refused('POST', `/ports/${a}/link`, {}, 400, 'peer')
  await refused('POST', `/ports/${NOBODY}/link`, { peer: a }, 404, 'id')
  await refused('POST', `/ports/${a}/link`, { peer: c }, 409, 'peer')
  await refused('POST', `/ports/${c}/link`, { peer: a }, 409, 'id')
  await call(at(`/ports/${a}/link`), 'POST', { peer: b })
  const d = await newPort()
  await refused('POST', `/ports/${d}/link`, { peer: a }, 409, 'peer')
  await refused('POST', `/ports/${a}/link`, { peer: d }, 409, 'id')
})

test('of many links to one port at once, one wins', async () => {
  const target = await newPort()
  const others = await Promise.all(Array.from({ length: 6 }, newPort))
  const answers = await Promise.all(
    others.map(id => call(at(`/ports/${id}/link`), 'POST', { peer: target }))
  )
  const winners = others.filter((_, i) => answers[i]!.status === 201)
  assert.equal(winners.length, 1)
  assert.equal((await call(at(`/ports/${target}`))).body.peer, winners[0])
  for (const id of others)
    assert.equal(
      (await call(at(`/ports/${id}`))).body.peer,
      winners.includes(id) ? target : undefined
    )
})

test('a binding is put, read, listed and taken away', async () => {
  const port = await newPort()
  const host = await newHost('h-bind', ['lo', 'tap0'])
  const binding = { host, interface: 'tap0' }
  const bound = await call(at(`/ports/${port}/binding`), 'PUT', binding)
  assert.equal(bound.status, 200)
  assert.deepEqual(bound.body, { port, ...binding })
  assert.equal((await call(at(`/ports/${port}/binding`), 'PUT', binding)).status, 200, 'again')
  assert.deepEqual((await call(at(`/bindings?host=${host}`))).body, [{ port, ...binding }])
  assert.deepEqual((await call(at(`/bindings?host=${NOBODY}`))).body, [])
  const interfaces = (await call(at(`/hosts/${host}/interfaces`))).body as unknown as {
    name: string
    port?: string
  }[]
  assert.deepEqual(
    interfaces.map(each => [each.name, each.port]),
    [
      ['lo', undefined],
      ['tap0', port]
    ]
  )
  assert.equal((await call(at(`/hosts/${host}`), 'DELETE')).body.error.code, 'REFERENCED')
  assert.equal((await call(at(`/ports/${port}/binding`), 'DELETE')).status, 204)
  assert.equal((await call(at(`/ports/${port}/binding`), 'DELETE')).status, 404)
  assert.equal((await call(at(`/hosts/${host}/interfaces`))).status, 200)
})

test('bindings that cannot be are refused', async () => {
  const [port, other, linked] = [await newPort(), await newPort(), await newPort()]
  await call(at(`/ports/${linked}/link`), 'POST', { peer: await newPort() })
  const host = await newHost('h-refuse', ['tap0', 'tap1'])
  const path = `/ports/${port}/binding`
  await refused('PUT', path, { host: NOBODY, interface: 'tap0' }, 400, 'host')
  await refused('PUT', path, { host, interface: 'nosuch0' }, 400, 'interface')
  await refused('PUT', path, { host, interface: 'x'.repeat(16) }, 400, 'interface')
  await refused('PUT', path, { host, interface: '' }, 400, 'interface')
  await refused('PUT', path, { host }, 400, 'interface')
  await refused('PUT', path, { host, interface: 'tap0', port }, 400, 'port')
  await refused('PUT', `/ports/${NOBODY}/binding`, { host, interface: 'tap0' }, 404, 'id')
  await refused('PUT', `/ports/${linked}/binding`, { host, interface: 'tap0' }, 409, 'id')
  await call(at(path), 'PUT', { host, interface: 'tap0' })
  await refused('PUT', `/ports/${other}/binding`, { host, interface: 'tap0' }, 409, 'interface')
  await refused('PUT', path, { host, interface: 'tap1' }, 409, 'id')
  const stale = { 'if-match': '"1"' }
  const late = await call(at(`/ports/${other}/binding`), 'PUT', { host, interface: 'tap1' }, stale)
  assert.equal(late.status, 412)
})

test('of many ports bound to one interface at once, one wins', async () => {
  const host = await newHost('h-race')
  const ports = await Promise.all(Array.from({ length: 6 }, newPort))
  const answers = await Promise.all(
    ports.map(id => call(at(`/ports/${id}/binding`), 'PUT', { host, interface: 'eth9' }))
  )
  const statuses = answers.map(answer => answer.status).sort()
  assert.deepEqual(statuses, [200, 409, 409, 409, 409, 409])
  assert.equal(((await call(at(`/bindings?host=${host}`))).body as unknown as []).length, 1)
})

test('a host whose agent is away: its interfaces are unknown, its ports may be bound', async () => {
  const host = await newHost('h-away')
  const port = await newPort()
  const answer = await call(at(`/hosts/${host}/interfaces`))
  assert.equal(answer.status, 503)
  assert.equal(answer.body.error.code, 'UNAVAILABLE')
  assert.equal((await call(at(`/hosts/${host}/flows`))).status, 503)
  assert.equal((await call(at(`/hosts/${NOBODY}/interfaces`))).status, 404)
  const bound = await call(at(`/ports/${port}/binding`), 'PUT', { host, interface: 'later0' })
  assert.equal(bound.status, 200)
})

test('B16: a router port refuses addresses that nobody has, naming the field', async () => {
  const router = await create(system, '/routers', {})
  const path = `/routers/${router}/ports`
  const mac = '02:00:00:00:0b:16'
  for (const wrong of ['ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '00:00:00:00:00:00'])
    await refused('POST', path, { mac: wrong }, 400, 'mac')
  for (const wrong of ['10.0.0.0/24', '10.0.0.255/24'])
    await refused('POST', path, { mac, addresses: [wrong] }, 400, 'addresses[0]')
  const { status, body } = await call(at(path), 'POST', { mac, addresses: ['10.0.0.0/31'] })
  assert.equal(status, 201)
  await refused('PATCH', `/ports/${body.id}`, { mac: '33:33:00:00:00:01' }, 400, 'mac')
})

for (const name of ['lo', 'mzinj', 'mzinjp'])
  test(`C3: ${name} is bound nowhere, whoever asks and however`, async () => {
    const bridge = await create(system, '/bridges', { name: `no-${name}` })
    const port = await create(system, `/bridges/${bridge}/ports`, {})
    const host = await create(system, '/hosts', { name: `away-${name}` })
    const binding = { host, interface: name }
    const refused = await call(`${system.url}/ports/${port}/binding`, 'PUT', binding)
    assert.equal(refused.status, 400)
    const [fault] = refused.body.error.faults
    assert.deepEqual([fault?.field, fault?.value], ['interface', name])
    assert.match(fault!.expected, /may be bound/)
  })

test("C3: what the host's agent refuses is refused with its reason", async () => {
  const bridge = await create(system, '/bridges', { name: 'judged' })
  const port = await create(system, `/bridges/${bridge}/ports`, {})
  const host = await create(system, '/hosts', { name: 'judge' })
  system.agents.report(host, 'judge', ['tap7', 'eth7'])
  const [, card] = system.agents.reporting.get(host)!.interfaces
  system.agents.reporting.get(host)!.interfaces[1] = { ...card!, refusal: 'it is a network card' }
  const bind = (name: string) =>
    call(`${system.url}/ports/${port}/binding`, 'PUT', { host, interface: name })
  const { status, body } = await bind('eth7')
  assert.deepEqual([status, body.error.faults[0]?.field], [400, 'interface'])
  assert.match(body.error.faults[0]!.expected, /it is a network card/)
  assert.equal((await bind('tap7')).status, 200)
})

test('F10: a bound port says whether it is up, and why it is not', async () => {
  const bridge = await create(system, '/bridges', { name: 'said' })
  const port = await create(system, `/bridges/${bridge}/ports`, { name: 'vm' })
  const host = await create(system, '/hosts', { name: 'far' })
  const shown = async () => {
    const one = (await call(`${system.url}/ports/${port}`)).body
    const list = (await call(`${system.url}/ports?device=${bridge}`)).body as unknown as Body[]
    assert.deepEqual(list[0], one)
    return [one.state, one.stateReason]
  }
  assert.deepEqual(await shown(), [undefined, undefined])
  await call(`${system.url}/ports/${port}/binding`, 'PUT', { host, interface: 'tap9' })
  assert.deepEqual(await shown(), ['down', 'the agent of its host has not spoken of it'])
  const why = 'waiting for interface tap9 on host far'
  await system.store.table(`binding-faults/${host}`).put(port, why)
  await system.store.table(`active/${host}`).put(port, '')
  assert.deepEqual(await shown(), ['down', why])
  await system.store.table(`binding-faults/${host}`).remove(port)
  await system.store.table(`active/${host}`).put(port, host)
  assert.deepEqual(await shown(), ['up', undefined])
  // C5: what it was refused for having too much open.
  const refused = async () => (await call(`${system.url}/ports/${port}`)).body.connectionsRefused
  assert.equal(await refused(), undefined)
  await system.store.table(`connections-refused/${host}`).put(port, '7')
  assert.equal(await refused(), 7)
  const own = (await call(`${system.url}/ports/${port}`)).body
  assert.equal((await call(`${system.url}/ports/${port}`, 'PUT', own)).status, 200)
  assert.equal((await call(`${system.url}/ports/${port}`, 'PATCH', { state: 'up' })).status, 400)
})
