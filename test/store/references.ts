// The contract of references: what an object points at exists, and is of the right kind; whoever
// points at a deleted object refuses, forgets or goes along.

import assert from 'node:assert/strict'
import type { Store } from '../../src/topology/store.ts'
import type { StoreTest } from './contract.ts'
import { all, refused } from './ground.ts'
import { create, newId, remove, update } from './models.ts'

const bridgePort = (device: string, fields: object = {}) =>
  create('port', { type: 'bridge', device, ...fields })

const countOf = async (store: Store, kind: string) => (await all(store.list(kind))).length

export function referenceTests(test: StoreTest): void {
  existenceTests(test)
  deletionTests(test)
}

function existenceTests(test: StoreTest): void {
  test('a reference to nothing is refused, with field and value', async ground => {
    const store = await ground.session()
    const absent = newId()
    const lost = store.write([bridgePort(absent)])
    await refused(lost, 'MISSING_REFERENCE', 'device', 'bridge or router', absent)
  })

  test('a reference to an object of another kind is refused', async ground => {
    const store = await ground.session()
    const chain = create('chain')
    await store.write([chain])
    const wrong = store.write([bridgePort(chain.value.id)])
    await refused(wrong, 'MISSING_REFERENCE', 'device', chain.value.id)
  })

  test('two objects of one write may point at each other', async ground => {
    const store = await ground.session()
    const bridge = create('bridge')
    const a = bridgePort(bridge.value.id)
    const b = bridgePort(bridge.value.id, { peer: a.value.id })
    const linked = { ...a, value: { ...a.value, peer: b.value.id } }
    await store.write([linked, b, bridge])
    assert.equal((await store.read('port', a.value.id))?.value.peer, b.value.id)
  })

  test('a reference to what the same write deletes is refused', async ground => {
    const store = await ground.session()
    const bridge = create('bridge')
    await store.write([bridge])
    const both = [bridgePort(bridge.value.id), remove('bridge', bridge.value.id)]
    await refused(store.write(both), 'MISSING_REFERENCE', 'device')
    assert.equal(await countOf(store, 'bridge'), 1)
  })
}

function deletionTests(test: StoreTest): void {
  test('refuse: a host that is used stays, and the error says by whom', async ground => {
    const store = await ground.session()
    const [host, bridge] = [create('host', { name: 'h' }), create('bridge')]
    const port = bridgePort(bridge.value.id, { host: host.value.id, interface: 'tap0' })
    await store.write([host, bridge, port])
    const attempt = store.write([remove('host', host.value.id)])
    await refused(attempt, 'REFERENCED', host.value.id, port.value.id, 'host')
    await store.write([remove('host', host.value.id), remove('port', port.value.id)])
    assert.equal(await countOf(store, 'host'), 0)
  })

  test('refuse gives way when the referrer goes along with another', async ground => {
    const store = await ground.session()
    for (const order of ['host first', 'zone first']) {
      const [host, zone] = [create('host', { name: 'h' }), create('tunnel-zone', { name: 'z' })]
      const [hostId, zoneId] = [host.value.id, zone.value.id]
      const member = { zone: zoneId, host: hostId, address: '10.0.0.1' }
      await store.write([host, zone, create('tunnel-zone-host', member)])
      const deletions = [remove('host', hostId), remove('tunnel-zone', zoneId)]
      await refused(store.write(deletions.slice(0, 1)), 'REFERENCED')
      await store.write(order === 'host first' ? deletions : deletions.reverse())
      assert.equal(await countOf(store, 'tunnel-zone-host'), 0)
    }
  })

  test('cascade: ports go with their device, and their peers forget them', async ground => {
    const store = await ground.session()
    const [bridge, other] = [create('bridge'), create('bridge')]
    const a = bridgePort(bridge.value.id)
    const b = bridgePort(other.value.id, { peer: a.value.id })
    await store.write([bridge, other, { ...a, value: { ...a.value, peer: b.value.id } }, b])
    await store.write([remove('bridge', bridge.value.id)])
    assert.equal(await store.read('port', a.value.id), undefined)
    const left = await store.read('port', b.value.id)
    assert.ok(left !== undefined && !Object.hasOwn(left.value, 'peer'))
    await store.write([update('port', { ...left.value, name: 'free' })])
  })

  test('clear: a list loses the item', async ground => {
    const store = await ground.session()
    const [a, b] = [create('host', { name: 'a' }), create('host', { name: 'b' })]
    const team = create('team', { members: [a.value.id, b.value.id] })
    await store.write([a, b, team])
    await store.write([remove('host', a.value.id)])
    assert.deepEqual((await store.read('team', team.value.id))?.value.members, [b.value.id])
  })

  test('what was pointed elsewhere in time is left alone', async ground => {
    const store = await ground.session()
    const [a, b] = [create('bridge'), create('bridge')]
    const port = bridgePort(a.value.id)
    await store.write([a, b, port])
    const moved = update('port', { ...port.value, device: b.value.id })
    await store.write([moved, remove('bridge', a.value.id)])
    assert.equal((await store.read('port', port.value.id))?.value.device, b.value.id)
    await store.write([remove('bridge', b.value.id)])
    assert.equal(await countOf(store, 'port'), 0)
  })
}
