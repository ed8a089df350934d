// Several objects in one request: later ones refer to earlier ones, and all of them are made or
// none.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { SystemClock } from '../../src/core/clock.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { allModels, call, openSystem, type System } from './fixture.ts'
import { create } from './samples.ts'

let system: System
before(async () => {
  system = await openSystem()
})
after(() => system.close())

type Fields = Readonly<Record<string, unknown>>

const at = (path: string): string => system.url + path
const post = (objects: unknown) => call(at('/batch'), 'POST', { objects })
const listed = async (path: string) =>
  (await call(at(path))).body as unknown as { id: string; name: string; position: number }[]

async function refused(objects: readonly unknown[], status: number, field: string): Promise<void> {
  const before = await listed('/bridges')
  const answer = await post(objects)
  assert.equal(answer.status, status, JSON.stringify(answer.body))
  assert.equal(answer.body.error.faults[0]?.field, field)
  assert.deepEqual(await listed('/bridges'), before, 'nothing was made')
}

test('a network is made in one request, each object of those before it', async () => {
  const [router, bridge] = [randomUUID(), randomUUID()]
  const answer = await post([
    { kind: 'router', id: router, name: 'r' },
    { kind: 'bridge', id: bridge, name: 'b' },
    { kind: 'port', device: bridge, name: 'of the bridge' },
    { kind: 'port', device: router, mac: '02:00:00:00:00:01', addresses: ['10.0.1.1/24'] }
  ])
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  const { ids } = answer.body as unknown as { ids: string[] }
  assert.deepEqual(ids.slice(0, 2), [router, bridge])
  const port = (await call(at(`/ports/${ids[2]}`))).body as Fields
  assert.deepEqual([port.type, port.device], ['bridge', bridge])
  assert.equal(((await call(at(`/ports/${ids[3]}`))).body as Fields).type, 'router')
})

test('rules of one batch stand in their order, behind and between others', async () => {
  const chain = await create(system, '/chains', { name: 'c' })
  await post([
    { kind: 'rule', chain, action: 'accept', protocol: 'tcp' },
    { kind: 'rule', chain, action: 'accept', protocol: 'udp' },
    { kind: 'rule', chain, action: 'drop', position: 1 },
    { kind: 'rule', chain, action: 'drop', position: 2 }
  ])
  const rules = await listed(`/chains/${chain}/rules`)
  assert.deepEqual(
    rules.map(({ position }) => position),
    [1, 2, 3, 4]
  )
  const shown = rules as unknown as { action: string; protocol?: unknown }[]
  assert.deepEqual(
    shown.map(({ action, protocol }) => protocol ?? action),
    ['drop', 'drop', 'tcp', 'udp']
  )
})

test('one that is wrong is named by its place, and none is made', async () => {
  const good = { kind: 'bridge', name: 'good' }
  await refused([good, { kind: 'bridge', nmae: 'x' }], 400, 'objects[1].nmae')
  await refused([good, { kind: 'bridgee' }], 400, 'objects[1].kind')
  await refused([good, {}], 400, 'objects[1].kind')
  await refused([good, { kind: 'port', device: randomUUID() }], 400, 'objects[1].device')
  await refused([good, { kind: 'state-key', secret: 'ab' }], 400, 'objects[1].kind')
  const id = randomUUID()
  await refused(
    [
      { ...good, id },
      { ...good, id }
    ],
    409,
    'id'
  )
})

test('one id is not a bridge and a router: the second is refused, by the first', async () => {
  const id = randomUUID()
  const [bridge, router] = [
    { kind: 'bridge', id, name: 'b' },
    { kind: 'router', id, name: 'r' }
  ]
  await refused([bridge, router], 409, 'id')
  for (const [first, second] of [
    [bridge, router],
    [router, bridge]
  ]) {
    const { error } = (await post([first, second])).body
    assert.equal(error.faults[0]?.expected, `an id no ${first!.kind} has`)
  }
  assert.equal((await call(at('/bridges'), 'POST', { id, name: 'b' })).status, 201)
  const second = await call(at('/routers'), 'POST', { id, name: 'r' })
  assert.equal(second.status, 409)
  assert.deepEqual(second.body.error.faults, [
    { field: 'id', value: id, expected: 'an id no bridge has' }
  ])
})

test('a batch is a list of one to a thousand', async () => {
  for (const objects of [undefined, 'x', [], Array.from({ length: 1001 }, () => ({}))]) {
    const { status, body } = await post(objects)
    assert.deepEqual([status, body.error.faults[0]?.field], [400, 'objects'])
  }
  const many = Array.from({ length: 1000 }, (_, i) => ({ kind: 'bridge', name: `bridge ${i}` }))
  assert.equal((await post(many)).status, 201)
})

test('a batch of many rules reads those of its chain once, however many come', async () => {
  const store = await openSqliteStore({ models: await allModels(), clock: new SystemClock() })
  let lists = 0
  const counting = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name === 'list') lists++
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
  const counted = await openSystem({ store: counting })
  const rules = (chain: string, position?: number) =>
    Array.from({ length: 300 }, () => ({ kind: 'rule', chain, action: 'drop', position }))
  const chain = await create(counted, '/chains', { name: 'c' })
  for (const position of [undefined, undefined, 1, 450]) {
    const before = lists
    const url = `${counted.url}/batch`
    assert.equal((await call(url, 'POST', { objects: rules(chain, position) })).status, 201)
    assert.equal(lists - before, 1)
  }
  const all = (await call(`${counted.url}/chains/${chain}/rules?limit=1000`)).body
  const positions = (all as unknown as { position: number }[]).map(({ position }) => position)
  assert.deepEqual(
    positions,
    Array.from({ length: 1000 }, (_, i) => i + 1)
  )
  await counted.close()
})
