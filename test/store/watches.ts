// The contract of watches: everything that is there, then every change, in order and once; one
// call per write.

import assert from 'node:assert/strict'
import type { WatchEvent } from '../../src/topology/store.ts'
import type { StoreTest } from './contract.ts'
import { all, assertSame, eventually, Replica, refused, valuesOf } from './ground.ts'
import { create, newId, remove, update } from './models.ts'

const field = 'ports' // of a port group

export function watchTests(test: StoreTest): void {
  selectionTests(test)
  listTests(test)
  orderTests(test)
  lifeTests(test)
  knownTests(test)
}

function knownTests(test: StoreTest): void {
  test('a watch of what is known tells that, and misses nothing', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const [mine, theirs] = [create('host', { name: 'mine' }), create('host', { name: 'theirs' })]
    await b.write([mine])
    const told = (id: string) => {
      const names: unknown[] = []
      const listener = (events: readonly WatchEvent[]): void => {
        for (const event of events) if (event.op === 'put') names.push(event.object.value.name)
      }
      const { ready } = b.watch({ kind: 'host', id }, listener, { asKnown: true })
      return { names, ready }
    }
    const own = told(mine.value.id)
    await own.ready
    assert.deepEqual(own.names, ['mine'])
    await a.write([theirs])
    const other = told(theirs.value.id)
    await other.ready
    assert.deepEqual(other.names, ['theirs'])
    await a.write([update('host', { ...mine.value, name: 'changed' })])
    await eventually(() => assert.deepEqual(own.names, ['mine', 'changed']))
    assert.equal((await b.known.read('host', mine.value.id))?.value.name, 'changed')
    assert.equal(valuesOf(await all(b.known.list('host'))).length, 2)
    await refused(b.known.read('spoon', mine.value.id), 'INVALID', 'spoon')
  })
}

function selectionTests(test: StoreTest): void {
  test('a watch of one object sees it come, change and go', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const host = create('host', { name: 'a' })
    const replica = new Replica(b, { kind: 'host', id: host.value.id })
    await replica.ready
    assert.equal(replica.calls.length, 0)
    await a.write([create('host', { name: 'other' }), host])
    await a.write([update('host', { ...host.value, name: 'b' })])
    await a.write([remove('host', host.value.id)])
    await eventually(() => assert.equal(replica.calls.length, 3))
    const told = replica.calls.flat().map(e => (e.op === 'put' ? e.object.value.name : e.op))
    assert.deepEqual(told, ['a', 'b', 'delete'])
  })

  test('a watch of an index sees who enters and who leaves', async ground => {
    const store = await ground.session()
    const [here, there] = [create('bridge'), create('bridge')]
    const port = create('port', { type: 'bridge', device: there.value.id })
    await store.write([here, there, port])
    const replica = new Replica(store, { kind: 'port', field: 'device', value: here.value.id })
    await replica.ready
    assert.equal(replica.objects.size, 0)
    await store.write([update('port', { ...port.value, device: here.value.id })])
    await eventually(() => assert.equal(replica.objects.size, 1))
    await store.write([update('port', { ...port.value, device: here.value.id, name: 'x' })])
    await store.write([update('port', { ...port.value, device: there.value.id, name: 'x' })])
    await eventually(() => assert.equal(replica.objects.size, 0))
    await store.write([update('port', { ...port.value, device: there.value.id, name: 'y' })])
    await store.write([update('port', { ...port.value, device: here.value.id, name: 'y' })])
    await store.write([remove('bridge', here.value.id)])
    await eventually(() => assert.equal(replica.calls.length, 5))
    const operations = replica.calls.flat().map(event => event.op)
    assert.deepEqual(operations, ['put', 'put', 'delete', 'put', 'delete'])
  })

  test('watching what does not exist is refused at once', async ground => {
    const store = await ground.session()
    const nothing = (): void => {}
    assert.throws(() => store.watch({ kind: 'spoon' }, nothing), /spoon/)
    const noIndex = { kind: 'host', field: 'name', value: 'x' }
    assert.throws(() => store.watch(noIndex, nothing), /"name"/)
  })
}

function listTests(test: StoreTest): void {
  test('a watch of the items of a list follows them', async ground => {
    const store = await ground.session()
    const [a, b] = [create('host', { name: 'a' }), create('host', { name: 'b' })]
    const team = create('team', { members: [a.value.id] })
    await store.write([a, b, team])
    const ofA = new Replica(store, { kind: 'team', field: 'members', value: a.value.id })
    const ofB = new Replica(store, { kind: 'team', field: 'members', value: b.value.id })
    await Promise.all([ofA.ready, ofB.ready])
    await store.write([update('team', { ...team.value, members: [a.value.id, b.value.id] })])
    await store.write([remove('host', a.value.id)])
    await eventually(() => {
      assert.equal(ofA.objects.size, 0)
      assert.deepEqual(ofB.values, [{ ...team.value, members: [b.value.id] }])
    })
  })

  test('groups of a port are listed and watched as ports come and go', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const device = create('router')
    const [p, q] = [1, 2].map(n =>
      create('port', { type: 'router', device: device.value.id, mac: `02:00:00:00:00:0${n}` })
    ) as [ReturnType<typeof create>, ReturnType<typeof create>]
    const [pId, qId] = [p.value.id, q.value.id]
    const pair = create('port-group', { name: 'uplinks', stateful: true, ports: [pId, qId] })
    const single = create('port-group', { name: 'single', stateful: false, ports: [pId] })
    await a.write([device, p, q, pair, single])
    const of = async (value: string) => valuesOf(await all(b.list('port-group', { field, value })))
    assert.deepEqual(await of(pId), [pair.value, single.value])
    assert.deepEqual(await of(qId), [pair.value])
    const [ofP, ofQ] = [pId, qId].map(
      value => new Replica(b, { kind: 'port-group', field, value })
    ) as [Replica, Replica]
    await Promise.all([ofP.ready, ofQ.ready])
    const only = { ...pair.value, ports: [qId], stateful: false }
    await a.write([update('port-group', only)])
    await eventually(() => {
      assert.deepEqual(ofP.values, [single.value])
      assert.deepEqual(ofQ.values, [only])
    })
    const joined = { ...single.value, ports: [pId, qId] }
    await a.write([update('port-group', joined)])
    await eventually(() => assert.deepEqual(ofQ.values, [only, joined]))
    await a.write([update('port-group', { ...joined, stateful: true })])
    await eventually(() => {
      for (const replica of [ofP, ofQ]) assert.equal(replica.values.at(-1)?.stateful, true)
    })
    await a.write([remove('port', pId)])
    const left = { ...joined, stateful: true, ports: [qId] }
    await eventually(() => {
      assert.deepEqual(ofP.values, [])
      assert.deepEqual(ofQ.values, [only, left])
    })
    assert.deepEqual([await of(pId), await of(qId)], [[], [only, left]])
    await a.write([remove('port-group', only.id), update('port-group', { ...left, ports: [] })])
    await eventually(() => assert.deepEqual(ofQ.values, []))
  })
}

function orderTests(test: StoreTest): void {
  test('one call tells all of a write, in its order', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const replica = new Replica(b, { kind: 'host' })
    await replica.ready
    const hosts = Array.from({ length: 1500 }, (_, i) => create('host', { name: `h${i}` }))
    await a.write(hosts)
    await a.write(hosts.slice(0, 2).map(host => remove('host', host.value.id)))
    await eventually(() => assert.equal(replica.calls.length, 2))
    const ids = replica.calls[0]!.map(event => (event.op === 'put' ? event.object.id : ''))
    assertSame(
      ids,
      hosts.map(host => host.value.id)
    )
    assert.deepEqual(
      replica.calls[1]!.map(event => event.op),
      ['delete', 'delete']
    )
  })

  test('a write that changes nothing is not told', async ground => {
    const store = await ground.session()
    const host = create('host', { name: 'a' })
    await store.write([host])
    const replica = new Replica(store, { kind: 'host' })
    await replica.ready
    await store.write([update('host', host.value)])
    await store.write([])
    await store.write([create('host', { name: 'last' })])
    await eventually(() => assert.equal(replica.objects.size, 2))
    assert.equal(replica.calls.length, 2)
  })
}

function lifeTests(test: StoreTest): void {
  test('a watch that begins amid writes misses nothing', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const first = Array.from({ length: 600 }, (_, i) => create('host', { name: `h${i}` }))
    await a.write(first)
    const replicas: Replica[] = []
    for (let round = 0; round < 20; round++) {
      const writes = a.write([
        create('host', { name: `late ${round}` }),
        update('host', { ...first[round]!.value, name: `new ${round}` }),
        remove('host', first[599 - round]!.value.id)
      ])
      replicas.push(new Replica(b, { kind: 'host' }))
      await writes
    }
    const truth = await all(a.list('host'))
    await eventually(() => {
      for (const replica of replicas) assertSame(replica.sorted, truth)
    })
  })

  test('a closed watch hears no more', async ground => {
    const store = await ground.session()
    const [closed, open] = [
      new Replica(store, { kind: 'host' }),
      new Replica(store, { kind: 'host' })
    ]
    await Promise.all([closed.ready, open.ready])
    closed.close()
    closed.close()
    await store.write([create('host', { name: 'a' })])
    await eventually(() => assert.equal(open.objects.size, 1))
    assert.equal(closed.calls.length, 0)
    const never = new Replica(store, { kind: 'host', id: newId() })
    never.close()
    await never.ready
  })

  test('a listener may write, watch and close', async ground => {
    const store = await ground.session()
    const names: unknown[] = []
    const watch = store.watch({ kind: 'host' }, events => {
      for (const event of events) if (event.op === 'put') names.push(event.object.value.name)
      if (names.length < 3) void store.write([create('host', { name: `h${names.length}` })])
      else watch.close()
    })
    await store.write([create('host', { name: 'h0' })])
    await eventually(() => assert.deepEqual(names, ['h0', 'h1', 'h2']))
  })
}
