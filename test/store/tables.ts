// The contract of replicated tables (behaviours INV-18): the last writer wins, what is learned
// outranks what is seeded, and entries go with their owner.

import assert from 'node:assert/strict'
import type { StoreTest } from './contract.ts'
import { assertSame, eventually, pairs, refused, TableReplica } from './ground.ts'

export function tableTests(test: StoreTest): void {
  ownershipTests(test)
  sessionTests(test)
  seedTests(test)
  watchTests(test)
}

function ownershipTests(test: StoreTest): void {
  test('INV-19 the last writer wins, by version', async ground => {
    const [a, b] = [await ground.session('a'), await ground.session('b')]
    await a.table('mac').put('k', 'port 1')
    await b.table('mac').put('k', 'port 2')
    await a.table('mac').put('k', 'port 1')
    const [entry, ...more] = await b.table('mac').entries()
    assert.deepEqual(more, [])
    assert.equal(entry?.value, 'port 1')
    assert.equal(entry?.owner, a.session)
    await b.table('mac').put('k', 'port 3')
    const [later] = await a.table('mac').entries()
    assert.equal(later?.value, 'port 3')
    assert.ok(later!.version > entry!.version)
  })

  test('a session removes only its own entry, and only if it is as named', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    await a.table('mac').put('k', 'one')
    await b.table('mac').remove('k')
    await a.table('mac').remove('k', 'two')
    assert.deepEqual(await pairs(b.table('mac')), [['k', 'one']])
    await a.table('mac').remove('k', 'one')
    assert.deepEqual(await pairs(b.table('mac')), [])
  })

  test('a refuted entry does not come back; one that agrees stays', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    await a.table('t').put('moved', 'here')
    await b.table('t').put('moved', 'there')
    await a.table('t').put('agreed', 'same')
    await b.table('t').put('agreed', 'same')
    await b.close()
    assert.deepEqual(await pairs(a.table('t')), [['agreed', 'same']])
  })

  test('INV-18 entries vanish with their owner, in every table', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    await Promise.all(
      Array.from({ length: 2000 }, (_, i) => a.table(`t${i % 3}`).put(`k${i}`, 'x'))
    )
    await b.table('t0').put('mine', 'y')
    assert.equal((await b.table('t1').entries()).length, 667)
    const replica = new TableReplica(b.table('t1'))
    await replica.ready
    await a.close()
    await eventually(() => assert.equal(replica.entries.size, 0))
    assert.deepEqual(await pairs(b.table('t0')), [['mine', 'y']])
  })

  test('a bad key or value is refused', async ground => {
    const table = (await ground.session()).table('t')
    await refused(table.put('', 'x'), 'INVALID', 'key', '1 to')
    await refused(table.put('k', 5 as never), 'INVALID', 'value', 'text')
    assert.deepEqual(await table.entries(), [])
  })
}

function sessionTests(test: StoreTest): void {
  test('INV-18 a session lives until it closes or leaves, and others know', async ground => {
    const [a, b, c] = [await ground.session(), await ground.session(), await ground.session()]
    const all = [a, b, c].map(({ session }) => session)
    assert.deepEqual([...(await a.living(all))].sort(), [...all].sort())
    await b.close()
    await c.leave()
    assert.deepEqual([...(await a.living([...all, 'nobody.0', '']))], [a.session])
  })
}

function seedTests(test: StoreTest): void {
  test('INV-18 what is learned outranks the seed, which shows again', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const [ofA, ofB] = [a.table('arp'), b.table('arp')]
    await ofA.put('k', 'learned')
    await ofA.seed('k', 'seeded')
    assert.deepEqual(await pairs(ofB), [['k', 'learned']])
    await ofA.remove('k')
    assert.deepEqual(await pairs(ofB), [['k', 'seeded']])
    await ofA.put('k', 'again')
    await a.close()
    assert.deepEqual(await pairs(ofB), [['k', 'seeded']])
    const [entry] = await ofB.entries()
    assert.equal(entry?.owner, '')
    await ofB.unseed('k')
    assert.deepEqual(await pairs(ofB), [])
  })

  test('a seed outlives every session', async ground => {
    const a = await ground.session()
    const keeper = await ground.session()
    await a.table('mac').seed('k', 'v')
    await a.close()
    assert.deepEqual(await pairs(keeper.table('mac')), [['k', 'v']])
  })
}

function watchTests(test: StoreTest): void {
  test('a watch of a table tells what is there, then each change in order', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    await a.table('t').put('one', '1')
    await a.table('other').put('one', 'elsewhere')
    const replica = new TableReplica(b.table('t'))
    await replica.ready
    assertSame(replica.sorted, [['one', '1']])
    await b.table('t').put('one', '2')
    await a.table('t').put('two', '2')
    await b.table('t').remove('one')
    await eventually(() => assertSame(replica.sorted, [['two', '2']]))
    const told = replica.events.map(e => (e.op === 'put' ? e.entry.value : e.op))
    assert.deepEqual(told, ['1', '2', '2', 'delete'])
    const versions = replica.events.flatMap(e => (e.op === 'put' ? [e.entry.version] : []))
    assert.deepEqual(
      versions,
      [...versions].sort((x, y) => x - y)
    )
  })

  test('a put that says nothing new is not told', async ground => {
    const store = await ground.session()
    const table = store.table('t')
    const replica = new TableReplica(table)
    await replica.ready
    await table.put('k', 'v')
    await table.put('k', 'v')
    await table.seed('k', 'hidden')
    await table.put('end', '.')
    await eventually(() => assert.equal(replica.entries.size, 2))
    assert.equal(replica.events.length, 2)
  })

  test('a watch that begins amid puts misses nothing', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const replicas: TableReplica[] = []
    for (let round = 0; round < 10; round++) {
      const puts = Array.from({ length: 300 }, (_, i) =>
        i % 7 === 0
          ? a.table('t').remove(`k${(round * 31 + i) % 500}`)
          : a.table('t').put(`k${(round * 17 + i) % 500}`, `${round}`)
      )
      replicas.push(new TableReplica(b.table('t')))
      await Promise.all(puts)
    }
    const truth = await pairs(a.table('t'))
    await eventually(() => {
      for (const replica of replicas) assertSame(replica.sorted, truth)
    })
  })
}
