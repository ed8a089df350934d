// What every store keeps, whatever it is made of.  The SQLite store passes it in memory and on a
// file; the ZooKeeper store will pass the same.  One part per file, each a list of tests.

import { describe, type TestContext, test } from 'node:test'
import type { Ground, NewGround } from './ground.ts'
import { leaseTests } from './leases.ts'
import { models } from './models.ts'
import { randomTests } from './random.ts'
import { referenceTests } from './references.ts'
import { tableTests } from './tables.ts'
import { watchTests } from './watches.ts'
import { writeTests } from './writes.ts'

/** Registers a test that gets an empty store of its own. */
export type StoreTest = (name: string, body: (ground: Ground) => Promise<void>) => void

export function storeContract(name: string, newGround: NewGround): void {
  describe(`store contract: ${name}`, () => {
    const storeTest: StoreTest = (title, body) => {
      test(title, { timeout: 60_000 }, async (_: TestContext) => {
        const ground = await newGround(models)
        try {
          await body(ground)
        } finally {
          await ground.close()
        }
      })
    }
    for (const part of [
      writeTests,
      referenceTests,
      watchTests,
      tableTests,
      leaseTests,
      randomTests
    ])
      part(storeTest)
  })
}
