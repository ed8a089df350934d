// The contract of writes: all or nothing, compare-and-set, checks against the model.

import assert from 'node:assert/strict'
import type { MezzoError } from '../../src/core/errors.ts'
import type { Store } from '../../src/topology/store.ts'
import { faultsOf } from '../../src/topology/validation.ts'
import type { StoreTest } from './contract.ts'
import { all, assertSame, refused, valuesOf } from './ground.ts'
import { create, newId, remove, update } from './models.ts'

export function writeTests(test: StoreTest): void {
  plainTests(test)
  atomicTests(test)
  versionTests(test)
  refusalTests(test)
  rivalTests(test)
  listTests(test)
  sequenceTests(test)
}

function plainTests(test: StoreTest): void {
  test('what was written is read, by another session too', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const host = create('host', { name: 'one' })
    const version = await a.write([host])
    assert.deepEqual(await b.read('host', host.value.id), {
      kind: 'host',
      id: host.value.id,
      version,
      value: host.value
    })
    assert.equal(await a.read('host', newId()), undefined)
    assert.equal(await a.read('bridge', host.value.id), undefined)
  })

  test('absent fields take their defaults, undefined ones are absent', async ground => {
    const store = await ground.session()
    const bridge = create('bridge')
    const port = create('port', { type: 'bridge', device: bridge.value.id, peer: undefined })
    const zone = { op: 'create', kind: 'tunnel-zone', value: { id: newId(), name: 'z' } } as const
    await store.write([bridge, port, zone])
    assert.equal((await store.read('tunnel-zone', zone.value.id))?.value.type, 'vxlan')
    const stored = await store.read('port', port.value.id)
    assert.equal(stored?.value.adminStateUp, true)
    assert.ok(!Object.hasOwn(stored.value, 'peer'))
  })
}

function atomicTests(test: StoreTest): void {
  test('a write is all or nothing', async ground => {
    const store = await ground.session()
    const good = create('host', { name: 'good' })
    const taken = create('host', { name: 'taken' })
    await store.write([taken])
    for (const bad of [
      create('host', { name: 'good' }),
      create('host', { name: 7 }),
      remove('host', newId())
    ])
      await assert.rejects(store.write([good, update('host', { ...taken.value, name: 'x' }), bad]))
    assert.deepEqual(valuesOf(await all(store.list('host'))), [taken.value])
  })

  test('the changes of a write build on each other', async ground => {
    const store = await ground.session()
    const host = create('host', { name: 'a' })
    await store.write([host, update('host', { ...host.value, name: 'b' })])
    assert.equal((await store.read('host', host.value.id))?.value.name, 'b')
    await store.write([remove('host', host.value.id), host])
    assert.equal((await store.read('host', host.value.id))?.value.name, 'a')
    const brief = create('host', { name: 'brief' })
    await store.write([brief, remove('host', brief.value.id)])
    assert.equal(await store.read('host', brief.value.id), undefined)
  })

  test('a closed store refuses and says so', async ground => {
    const store = await ground.session()
    await store.close()
    await store.close()
    await refused(store.write([create('bridge')]), 'STORE_UNAVAILABLE', 'closed')
    await refused(store.read('bridge', newId()), 'STORE_UNAVAILABLE')
  })
}

function versionTests(test: StoreTest): void {
  test('a version grows with every change of its object, also over a deletion', async ground => {
    const store = await ground.session()
    const { value } = create('host', { name: 'a' })
    const versions: number[] = []
    const note = async (): Promise<void> => {
      versions.push((await store.read('host', value.id))!.version)
    }
    await store.write([{ op: 'create', kind: 'host', value }])
    await note()
    await store.write([update('host', { ...value, name: 'b' })])
    await note()
    await store.write([remove('host', value.id)])
    await store.write([{ op: 'create', kind: 'host', value }])
    await note()
    assert.ok(versions[0]! < versions[1]! && versions[1]! < versions[2]!, String(versions))
  })

  test('an update that changes nothing keeps the version', async ground => {
    const store = await ground.session()
    const { value } = create('host', { name: 'a' })
    await store.write([{ op: 'create', kind: 'host', value }])
    const before = await store.read('host', value.id)
    await store.write([update('host', { name: 'a', id: value.id })])
    assert.deepEqual(await store.read('host', value.id), before)
  })

  test('INV-19 a wrong version is a CONFLICT that names both', async ground => {
    const store = await ground.session()
    const host = create('host', { name: 'a' })
    const version = await store.write([host])
    const later = await store.write([update('host', { ...host.value, name: 'b' }, version)])
    const stale = update('host', { ...host.value, name: 'c' }, version)
    await refused(store.write([stale]), 'CONFLICT', String(version), String(later))
    const goner = { ...remove('host', host.value.id), version }
    await refused(store.write([goner]), 'CONFLICT', host.value.id)
    await store.write([{ ...goner, version: later }])
  })

  test('concurrent compare-and-set loses no update', async ground => {
    const stores = [await ground.session(), await ground.session(), await ground.session()]
    const team = create('team', { members: [], size: 0 })
    await stores[0]!.write([team])
    await Promise.all([0, 1, 2].map(i => count(stores[i]!, team.value.id, 3)))
    assert.equal((await stores[0]!.read('team', team.value.id))?.value.size, 9)
  })
}

async function count(store: Store, id: string, times: number): Promise<void> {
  for (let done = 0; done < times; ) {
    const { value, version } = (await store.read('team', id))!
    const next = { ...value, size: Number(value.size) + 1 }
    try {
      await store.write([update('team', next, version)])
      done++
    } catch (error) {
      assert.equal((error as MezzoError).code, 'CONFLICT')
    }
  }
}

function rivalTests(test: StoreTest): void {
  test('one id is not a bridge and a router: a port could mean either', async ground => {
    const [store, other] = [await ground.session(), await ground.session()]
    const bridge = create('bridge')
    const { id } = bridge.value
    const router = { op: 'create', kind: 'router', value: { id } } as const
    await refused(store.write([bridge, router]), 'EXISTS', 'bridge', id)
    await refused(store.write([router, bridge]), 'EXISTS', 'router', id)
    await store.write([bridge])
    await refused(other.write([router]), 'EXISTS', 'bridge', id)
    await other.write([remove('bridge', id), router])
    await refused(store.write([bridge]), 'EXISTS', 'router', id)
    await store.write([{ op: 'create', kind: 'chain', value: { id } }])
  })
}

function refusalTests(test: StoreTest): void {
  test('EXISTS and NOT_FOUND name kind and id', async ground => {
    const store = await ground.session()
    const host = create('host', { name: 'a' })
    await store.write([host])
    const { id } = host.value
    await refused(store.write([host]), 'EXISTS', 'host', id)
    const other = newId()
    await refused(store.write([remove('host', other)]), 'NOT_FOUND', 'host', other)
    await refused(store.write([update('host', { id: other, name: 'x' })]), 'NOT_FOUND', other)
  })

  test('INVALID names field, value and expectation, and carries every fault', async ground => {
    const store = await ground.session()
    const bad = create('host', { name: '', colour: 'red' })
    await assert.rejects(store.write([bad]), error => {
      const faults = faultsOf(error as MezzoError)
      assert.deepEqual(faults.map(fault => fault.field).sort(), ['colour', 'name'])
      return true
    })
    const noId = { op: 'create', kind: 'host', value: { name: 'x' } } as never
    await refused(store.write([noId]), 'INVALID', 'id', 'missing', 'UUID')
    const noBody = { op: 'create', kind: 'host', value: null } as never
    await refused(store.write([noBody]), 'INVALID', 'object')
    await refused(store.write([create('spoon')]), 'INVALID', 'spoon', 'bridge')
    const badPort = create('port', { type: 'router', device: newId() })
    await refused(store.write([badPort]), 'INVALID', 'mac', 'a MAC address')
  })

  test('no two objects share a unique group, and two may swap', async ground => {
    const store = await ground.session()
    const [a, b] = [create('host', { name: 'a' }), create('host', { name: 'b' })]
    await store.write([a, b])
    await refused(store.write([create('host', { name: 'a' })]), 'EXISTS', '"a"', a.value.id)
    const swap = [
      update('host', { ...a.value, name: 'b' }),
      update('host', { ...b.value, name: 'a' })
    ]
    await refused(store.write([swap[0]!]), 'EXISTS', '"b"')
    await store.write(swap)
    assert.equal((await store.read('host', a.value.id))?.value.name, 'b')
    await store.write([remove('host', a.value.id), create('host', { name: 'b' })])
  })

  test('a unique group binds only objects that have all its fields', async ground => {
    const store = await ground.session()
    const [host, bridge] = [create('host', { name: 'h' }), create('bridge')]
    const port = (fields: object) =>
      create('port', { type: 'bridge', device: bridge.value.id, ...fields })
    const bound = { host: host.value.id, interface: 'tap0' }
    await store.write([host, bridge, port({}), port({}), port(bound)])
    await refused(store.write([port(bound)]), 'EXISTS', 'tap0')
    await store.write([port({ ...bound, interface: 'tap1' })])
  })
}

function listTests(test: StoreTest): void {
  test('a list gives all of a kind, over several pages', async ground => {
    const store = await ground.session()
    const hosts = Array.from({ length: 700 }, (_, i) => create('host', { name: `h${i}` }))
    await store.write(hosts)
    assertSame(
      valuesOf(await all(store.list('host'))),
      hosts.map(h => h.value)
    )
    assert.deepEqual(await all(store.list('bridge')), [])
  })

  test('an index selects by value, also by the items of a list', async ground => {
    const store = await ground.session()
    const [a, b] = [create('host', { name: 'a' }), create('host', { name: 'b' })]
    const both = create('team', { members: [a.value.id, b.value.id], size: 2 })
    const one = create('team', { members: [b.value.id], size: 1 })
    await store.write([a, b, both, one])
    const of = async (field: string, value: string) =>
      valuesOf(await all(store.list('team', { field, value })))
    assert.deepEqual(await of('members', b.value.id), [both.value, one.value])
    assert.deepEqual(await of('members', a.value.id), [both.value])
    assert.deepEqual(await of('size', '1'), [one.value])
    await store.write([update('team', { ...both.value, members: [], size: 1 })])
    assert.deepEqual(await of('members', a.value.id), [])
    assert.equal((await of('size', '1')).length, 2)
    await refused(all(store.list('team', { field: 'id', value: 'x' })), 'INVALID', 'members')
  })
}

function sequenceTests(test: StoreTest): void {
  const numberOf = async (store: Store, id: string) => (await store.read('seat', id))?.value.number

  test('the store gives numbers, keeps them, and takes back those of the dead', async ground => {
    const store = await ground.session()
    const seats = [create('seat'), create('seat'), create('seat')]
    await store.write(seats.slice(0, 2))
    await store.write(seats.slice(2))
    const ids = seats.map(seat => seat.value.id)
    assert.deepEqual(await Promise.all(ids.map(id => numberOf(store, id))), [1, 2, 3])
    await refused(store.write([create('seat')]), 'LIMIT', 'seat', '3')
    await store.write([remove('seat', ids[1]!)])
    const next = create('seat')
    await store.write([next])
    assert.equal(await numberOf(store, next.value.id), 2)
  })

  test('a number given back is the last to be given again', async ground => {
    const store = await ground.session()
    const [a, b] = [create('seat'), create('seat')]
    await store.write([a])
    await store.write([remove('seat', a.value.id)])
    await store.write([b])
    assert.equal(await numberOf(store, b.value.id), 2)
  })

  test('a number that the same write gave and took back is free again', async ground => {
    const store = await ground.session()
    const seat = create('seat')
    await store.write([seat, remove('seat', seat.value.id), seat])
    await store.write([create('seat'), create('seat')])
    const seats = valuesOf(await all(store.list('seat')))
    assert.deepEqual(seats.map(({ number }) => number).sort(), [1, 2, 3])
  })

  test('a number may be named at creation but not changed', async ground => {
    const store = await ground.session()
    const seat = create('seat', { number: 2 })
    await store.write([seat, create('seat')])
    await refused(store.write([create('seat', { number: 2 })]), 'EXISTS', 'number 2')
    await store.write([update('seat', { id: seat.value.id })])
    assert.equal(await numberOf(store, seat.value.id), 2)
    const other = update('seat', { id: seat.value.id, number: 3 })
    await refused(store.write([other]), 'INVALID', 'number is 3', 'expected 2')
    await store.write([create('seat'), remove('seat', seat.value.id)])
    const brief = create('seat', { number: 2 })
    await store.write([brief, remove('seat', brief.value.id)])
    await store.write([create('seat')])
    assert.equal((await all(store.list('seat'))).length, 3)
  })
}
