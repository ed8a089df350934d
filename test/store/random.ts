// The contract under random operations: whatever was written, by whom and in which order, what
// watches told equals what the store holds (INV-18).  Refused writes are part of the game.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isFailure } from '../../src/core/errors.ts'
import type { Change, Store } from '../../src/topology/store.ts'
import { casesOf } from '../cases.ts'
import type { StoreTest } from './contract.ts'
import { all, assertSame, eventually, pairs, Replica, TableReplica } from './ground.ts'
import { newId } from './models.ts'

const IDS = Array.from({ length: 6 }, newId)
const RUNS = { seed: 7, numRuns: casesOf(25) }

const id = fc.constantFrom(...IDS)
const change = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('set'), device: id, id, peer: fc.option(id) })
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('delete'), id }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('bridge'), id }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('unbridge'), id }) }
)
type Drawn = Readonly<Record<string, string | null>>

const writes = fc.array(fc.tuple(fc.nat(1), fc.array(change, { minLength: 1, maxLength: 2 })), {
  minLength: 20,
  maxLength: 40
})

export function randomTests(test: StoreTest): void {
  test('what watches of objects told equals what is there', async ground => {
    const stores = [await ground.session(), await ground.session()]
    let written = 0
    await fc.assert(
      fc.asyncProperty(writes, async plan => {
        for (const id of IDS) await attempt(stores[0]!, [{ op: 'bridge', id }])
        const early = replicas(stores[0]!)
        const late: Replica[] = []
        for (const [i, [who, changes]] of plan.entries()) {
          if (i % 10 === 5) late.push(...replicas(stores[1 - who]!))
          if (await attempt(stores[who]!, changes as Drawn[])) written++
        }
        await agree(stores[0]!, [...early, ...late])
      }),
      RUNS
    )
    assert.ok(written > RUNS.numRuns * 5, `only ${written} writes were taken`)
  })

  const entry = fc.record({
    who: fc.nat(2),
    op: fc.constantFrom('put', 'put', 'put', 'seed', 'remove', 'unseed'),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    value: fc.constantFrom('1', '2', '3')
  })

  test('INV-18 what watches of a table told equals what is there', async ground => {
    const stores = [await ground.session(), await ground.session(), await ground.session()]
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 80 }), async plan => {
        const copies = stores.map(store => new TableReplica(store.table('t')))
        for (const { who, op, key, value } of plan) {
          const done = stores[who]!.table('t')[op](key, value)
          if (who > 0) await done
        }
        const last = stores[0]!.table('t')
        await last.put('end', '.')
        await last.remove('end')
        const truth = await pairs(last)
        await eventually(() => {
          for (const copy of copies) assertSame(copy.sorted, truth)
        })
        for (const copy of copies) copy.close()
      }),
      RUNS
    )
  })
}

const replicas = (store: Store): Replica[] => [
  new Replica(store, { kind: 'port' }),
  new Replica(store, { kind: 'port', id: IDS[0]! }),
  new Replica(store, { kind: 'port', field: 'device', value: IDS[1]! }),
  new Replica(store, { kind: 'port', field: 'peer', value: IDS[2]! })
]

async function attempt(store: Store, drawn: readonly Drawn[]): Promise<boolean> {
  try {
    await store.write(await Promise.all(drawn.map(each => asChange(store, each))))
    return true
  } catch (error) {
    assert.ok(isFailure(error), String(error))
    return false
  }
}

// Whether an object is made or changed depends on what is there: else most plans are refused.
async function asChange(store: Store, drawn: Drawn): Promise<Change> {
  const { op, device, peer } = drawn
  const id = String(drawn.id)
  if (op === 'bridge') return { op: 'create', kind: 'bridge', value: { id } }
  if (op === 'unbridge') return { op: 'delete', kind: 'bridge', id }
  if (op === 'delete') return { op, kind: 'port', id }
  const there = await store.read('port', id)
  const free = peer === null || (await store.read('port', String(peer))) === undefined
  const value = { id, type: 'bridge', device, ...(free ? {} : { peer }) }
  return { op: there === undefined ? 'create' : 'update', kind: 'port', value }
}

async function agree(store: Store, copies: readonly Replica[]): Promise<void> {
  const truth = await all(store.list('port'))
  const wanted = [
    truth,
    truth.filter(({ id }) => id === IDS[0]),
    truth.filter(({ value }) => value.device === IDS[1]),
    truth.filter(({ value }) => value.peer === IDS[2])
  ]
  await eventually(() => {
    for (const [i, copy] of copies.entries()) assertSame(copy.sorted, wanted[i % 4]!)
  })
  for (const copy of copies) copy.close()
}
