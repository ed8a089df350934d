// The contract of leases: a block has one holder, goes with it, and its epoch only grows.

import assert from 'node:assert/strict'
import type { StoreTest } from './contract.ts'
import { eventually, refused } from './ground.ts'

export function leaseTests(test: StoreTest): void {
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
    const first = await a.lease('leader', 1, 0)
    assert.equal(first?.block, 0)
    assert.equal(await b.lease('leader', 1, 0), undefined)
    assert.equal(await a.lease('leader', 1, 0), undefined)
    await first!.release()
    const second = await b.lease('leader', 1, 0)
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
    await refused(store.lease('nat', 4, 4), 'INVALID', 'block', '0 to 3')
  })
}
