// The contract of leases: a block has one holder, goes with it, and its epoch only grows.

import assert from 'node:assert/strict'
import type { StoreTest } from './contract.ts'
import { eventually, refused } from './ground.ts'

export function leaseTests(test: StoreTest): void {
  holderTests(test)
  restTests(test)
  successorTests(test)
}

function holderTests(test: StoreTest): void {
  test('INV-05 every block has one holder, and an empty pool gives none', async ground => {
    const stores = [await ground.session(), await ground.session()]
    const asked = await Promise.all(
      Array.from({ length: 12 }, (_, i) => stores[i % 2]!.lease('nat', 10))
    )
    const blocks = asked.flatMap(lease => (lease === undefined ? [] : [lease.block]))
    assert.deepEqual(
      blocks.sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    )
    assert.ok(await stores[0]!.lease('another pool', 10))
  })

  test('a named block is given once, with a greater epoch each time', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const first = await a.lease('leader', 1, { block: 0 })
    assert.equal(first?.block, 0)
    assert.equal(await b.lease('leader', 1, { block: 0 }), undefined)
    assert.equal(await a.lease('leader', 1, { block: 0 }), undefined)
    await first!.release()
    const second = await b.lease('leader', 1, { block: 0 })
    assert.ok(second!.epoch > first!.epoch)
  })

  test('a late release of an older epoch frees nothing', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const first = await a.lease('leader', 1)
    await first!.release()
    const again = await a.lease('leader', 1)
    await first!.release()
    assert.equal(await b.lease('leader', 1), undefined)
    await again!.release()
    assert.ok(await b.lease('leader', 1))
    await again!.release()
    assert.equal(await a.lease('leader', 1), undefined)
  })

  test('leases go with their session', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const held = await a.lease('nat', 1)
    assert.equal(await b.lease('nat', 1), undefined)
    await a.close()
    await eventually(async () => {
      const lease = await b.lease('nat', 1)
      assert.ok(lease !== undefined && lease.epoch > held!.epoch)
    })
    await held!.release()
    assert.equal(await b.lease('nat', 1), undefined)
  })

  test('a range that makes no sense is refused', async ground => {
    const store = await ground.session()
    await refused(store.lease('nat', 0), 'INVALID', 'blocks', 'from 1')
    await refused(store.lease('nat', 4, { block: 4 }), 'INVALID', 'block', '0 to 3')
    await refused(store.lease('nat', 4, { first: 4 }), 'INVALID', 'first block', '0 to 3')
  })
}

function restTests(test: StoreTest): void {
  test('NT-04 of free blocks the one that has rested longest is given', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const taken = [await a.lease('nat', 3), await a.lease('nat', 3), await b.lease('nat', 3)]
    const order = [2, 0, 1].map(i => taken[i]!)
    for (const lease of order) await lease.release()
    const again = [await b.lease('nat', 3), await b.lease('nat', 3), await a.lease('nat', 3)]
    assert.deepEqual(
      again.map(lease => lease?.block),
      order.map(lease => lease.block)
    )
    for (const lease of again) assert.equal(lease?.epoch, 2)
  })

  test('NT-04 blocks nobody has had yet come first, all of them inside the range', async ground => {
    const store = await ground.session()
    const first = await store.lease('nat', 20)
    await first!.release()
    const blocks = new Set<number>()
    for (let i = 0; i < 19; i++) blocks.add((await store.lease('nat', 20))!.block)
    assert.equal(blocks.size, 19)
    assert.ok(!blocks.has(first!.block))
    for (const block of blocks) assert.ok(block >= 0 && block < 20)
    assert.equal((await store.lease('nat', 20))?.block, first!.block)
    assert.equal(await store.lease('nat', 20), undefined)
  })

  test('NT-04 of a part of a pool only blocks of that part are given', async ground => {
    const store = await ground.session()
    const within = async () => (await store.lease('nat', 6, { first: 3 }))?.block
    const blocks = [await within(), await within(), await within()]
    assert.deepEqual(blocks.sort(), [3, 4, 5])
    assert.equal(await within(), undefined)
    await (await store.lease('nat', 3))!.release()
    assert.equal(await within(), undefined)
    assert.ok((await store.lease('nat', 6))!.block < 3)
  })
}

function successorTests(test: StoreTest): void {
  test('a successor, and nobody else, finds the blocks of a session that left', async ground => {
    const [a, b] = [await ground.session('gateway1'), await ground.session('gateway2')]
    const own = [
      await a.lease('nat', 3, { block: 0, lingers: true }),
      await a.lease('nat', 3, { block: 1, lingers: true })
    ]
    assert.equal(await b.lease('nat', 3, { block: 0, lingers: true }), undefined)
    await a.leave()
    assert.equal(await b.lease('nat', 3, { block: 0, lingers: true }), undefined, 'of another name')
    const next = await ground.session('gateway1')
    const back = await next.lease('nat', 3, { block: 1, lingers: true })
    assert.ok(back !== undefined && back.epoch > own[1]!.epoch)
    assert.equal((await next.lease('nat', 3))?.block, 2, 'the free one first')
    assert.equal((await next.lease('nat', 3))?.block, 0, 'then its own, before there is none')
    assert.equal(await next.lease('nat', 3), undefined)
    assert.equal(await b.lease('nat', 3), undefined)
    await own[1]!.release()
    assert.equal(
      await b.lease('nat', 3, { block: 1 }),
      undefined,
      'the late word of the predecessor'
    )
  })

  test('a seat is free as soon as its session has left', async ground => {
    const [a, b] = [await ground.session('a'), await ground.session('b')]
    await a.lease('agent', 1)
    await a.leave()
    assert.equal((await b.lease('agent', 1))?.epoch, 2)
  })

  test('NT-04 pools that nobody uses are forgotten; epochs grow on', async ground => {
    const [a, b] = [await ground.session(), await ground.session()]
    const first = await a.lease('early', 1)
    await first!.release()
    const taken = await b.lease('taken', 1)
    for (let i = 0; i < 300; i++) await (await a.lease(`pool ${i}`, 1))!.release()
    await a.lease('last', 1)
    await a.close()
    assert.ok((await b.lease('early', 1))!.epoch > first!.epoch)
    assert.equal(await b.lease('taken', 1), undefined)
    await taken!.release()
    assert.ok((await b.lease('taken', 1))!.epoch > taken!.epoch)
  })
}
