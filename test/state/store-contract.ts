// What every store of flow state must do: give back what was saved, in order and for its time, by
// port; forget what is too old; bound what waits; never throw at whoever saves.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { SeededRandom } from '../../src/core/random.ts'
import {
  BATCH_BYTES_MAX,
  type FlowStateStore,
  type SavedBatch
} from '../../src/state/storage/store.ts'
import { assertSame, eventually } from '../store/ground.ts'

export interface StoreLimits {
  readonly keepMs?: number
  readonly queueBytesMax?: number
  readonly loadBytesMax?: number
}

/** A place for flow state that lasts for a test; whoever opens it finds what others saved. */
export interface StateGround {
  open(limits?: StoreLimits): Promise<FlowStateStore>
  /** Closes what is still open and removes every trace. */
  close(): Promise<void>
}

export type NewStateGround = () => Promise<StateGround>

const random = new SeededRandom(7)

export const batchOf = (port: number, length: number): SavedBatch => ({
  port,
  bytes: random.bytes(length)
})

export const counter = (store: FlowStateStore, name: string): number =>
  store.counters()[`state.store-${name}`]!

/** What a port's batches are when compared: texts, which differ shortly and readably. */
export const texts = (bytes: readonly Uint8Array[]): string[] =>
  bytes.map(each => Buffer.from(each).toString('hex').slice(0, 64))

export const textsOf = (batches: readonly SavedBatch[], port: number): string[] =>
  texts(batches.filter(batch => batch.port === port).map(({ bytes }) => bytes))

export async function loads(store: FlowStateStore, port: number): Promise<string[]> {
  return texts(await store.load(port))
}

const timeout = 60_000

export function storeContract(name: string, newGround: NewStateGround): void {
  const on = (what: string, run: (ground: StateGround) => Promise<void>): void => {
    test(what, { timeout }, async (t: TestContext) => {
      const ground = await newGround()
      t.after(() => ground.close())
      await run(ground)
    })
  }
  describe(name, () => {
    roundTrips(on)
    bounds(on)
    ends(on)
  })
}

type On = (what: string, run: (ground: StateGround) => Promise<void>) => void

function roundTrips(on: On): void {
  on('what was saved about a port comes back, oldest first', async ground => {
    const store = await ground.open()
    const batches = [batchOf(1, 76), batchOf(0xff_fffe, 1), batchOf(1, 124), batchOf(1, 0)]
    store.save(batches.slice(0, 2))
    store.save(batches.slice(2))
    await store.settle()
    assert.equal(store.state, 'ready')
    assert.deepEqual(await loads(store, 1), textsOf(batches, 1))
    assert.deepEqual(await loads(store, 0xff_fffe), textsOf(batches, 0xff_fffe))
    assert.deepEqual(await loads(store, 2), [])
    assert.equal(counter(store, 'saved'), 4)
    assert.equal(counter(store, 'saved-bytes'), 76 + 1 + 124)
    assert.equal(counter(store, 'loads'), 3)
    assert.equal(counter(store, 'loaded'), 4)
  })

  on('who comes later finds it, and adds to it', async ground => {
    const batches = [batchOf(5, 100), batchOf(5, 200), batchOf(5, 300)]
    for (const batch of batches) {
      const store = await ground.open()
      store.save([batch])
      await store.close()
    }
    const store = await ground.open()
    assert.deepEqual(await loads(store, 5), textsOf(batches, 5))
  })

  on('many batches of many ports arrive, each once and in order', async ground => {
    const store = await ground.open()
    const batches = Array.from({ length: 3000 }, () =>
      batchOf(1 + random.below(50), 1 + random.below(2000))
    )
    for (let i = 0; i < batches.length; i += 100) {
      store.save(batches.slice(i, i + 100))
      if (random.chance(0.2)) await store.settle()
    }
    await store.settle()
    for (let port = 1; port <= 50; port++)
      assertSame(await loads(store, port), textsOf(batches, port))
    assert.equal(counter(store, 'left-out'), 0)
    assert.equal(counter(store, 'queued-bytes'), 0)
  })

  on('a large batch is one', async ground => {
    const store = await ground.open()
    const batch = batchOf(3, BATCH_BYTES_MAX)
    store.save([batch, batchOf(3, BATCH_BYTES_MAX + 1)])
    await store.settle()
    const found = await store.load(3)
    assert.equal(found.length, 1)
    assert.equal(Buffer.compare(found[0]!, batch.bytes), 0)
    assert.equal(counter(store, 'left-out'), 1)
  })
}

function bounds(on: On): void {
  on('what is too old is not there any more', async ground => {
    const short = await ground.open({ keepMs: 2000 })
    short.save([batchOf(8, 50)])
    await short.settle()
    assert.equal(counter(short, 'saved'), 1)
    await eventually(async () => assert.deepEqual(await loads(short, 8), []))
    const long = batchOf(8, 50)
    const store = await ground.open()
    store.save([long])
    await store.settle()
    assert.deepEqual((await loads(store, 8)).slice(-1), textsOf([long], 8))
  })

  on('what does not fit the queue is counted and left out; the rest arrives', async ground => {
    const store = await ground.open({ queueBytesMax: 20_000 })
    const batches = Array.from({ length: 100 }, () => batchOf(4, 900))
    store.save(batches)
    const leftOut = counter(store, 'left-out')
    assert.ok(leftOut > 0 && leftOut < 100, `${leftOut} left out`)
    assert.ok(counter(store, 'queued-bytes') <= 20_000)
    await store.settle()
    assert.deepEqual(await loads(store, 4), textsOf(batches.slice(0, 100 - leftOut), 4))
    const next = batchOf(4, 900)
    store.save([next])
    await store.settle()
    assert.deepEqual((await loads(store, 4)).slice(-1), textsOf([next], 4))
    assert.equal(counter(store, 'left-out'), leftOut)
  })

  on('of more than the limit of a load, the newest come', async ground => {
    const store = await ground.open({ loadBytesMax: 10_000 })
    const batches = Array.from({ length: 100 }, () => batchOf(6, 500))
    store.save(batches)
    await store.settle()
    const found = await loads(store, 6)
    assert.ok(found.length > 5 && found.length <= 20, `${found.length} batches`)
    assert.deepEqual(found, textsOf(batches, 6).slice(-found.length))
    assert.equal(counter(store, 'cut'), 1)
  })
}

function ends(on: On): void {
  on('a closed store takes nothing, gives nothing, and does not throw', async ground => {
    const store = await ground.open()
    store.save([batchOf(1, 10)])
    await store.close()
    await store.close()
    assert.equal(store.state, 'closed')
    assert.equal(counter(store, 'saved'), 1)
    store.save([batchOf(1, 10)])
    assert.equal(counter(store, 'left-out'), 1)
    await store.settle()
    await assert.rejects(store.load(1), { code: 'STORE_UNAVAILABLE' })
    assert.equal(counter(store, 'load-failed'), 1)
  })

  on('every counter has a row in the table of operations', async ground => {
    const store = await ground.open()
    const page = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8')
    const missing = Object.keys(store.counters()).filter(each => !page.includes(`\`${each}\``))
    assert.deepEqual(missing, [])
  })
}
