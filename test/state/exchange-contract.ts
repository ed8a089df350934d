// What every exchange does.  Each implementation brings a rig (exchange-rig.ts); a wait fails by
// itself when what it waits for does not come.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deliveryTests } from './exchange-delivery.ts'
import { livenessTests } from './exchange-liveness.ts'
import { overloadTests } from './exchange-overload.ts'
import { refusalTests } from './exchange-refusals.ts'
import { type ExchangeRig, isTogether, type OpenRig } from './exchange-rig.ts'

/** Registers a test that gets so many hosts that have met. */
export type ExchangeTest = (
  name: string,
  hosts: number,
  body: (rig: ExchangeRig) => Promise<void>
) => void

export function exchangeContract(name: string, open: OpenRig): void {
  describe(`exchange contract: ${name}`, () => {
    const exchangeTest: ExchangeTest = (title, count, body) => {
      test(title, { timeout: 600_000 }, async () => {
        const rig = await open(count)
        try {
          assert.equal(rig.hosts.length, count)
          await rig.until('all have met', () => isTogether(rig.hosts))
          await body(rig)
        } finally {
          rig.close()
        }
      })
    }
    for (const part of [deliveryTests, livenessTests, overloadTests, refusalTests])
      part(exchangeTest)
  })
}
