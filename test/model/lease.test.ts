// The protocol of leases, in all its states: nobody acts late, an epoch has one owner, who acts is
// the owner, and a lease that nobody has is had again.  Without any of its fences that is not so.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broken, explore, missingForModels, quick } from './explore.ts'

describe('the protocol of leases', { skip: missingForModels() ?? false }, () => {
  for (const model of quick)
    test(`INV-05 ${model.name}: nothing is wrong in any state`, async t => {
      const { fault, states, seconds } = await explore(model, 1)
      assert.equal(fault, undefined)
      assert.ok(states > 10_000)
      t.diagnostic(`${states} states in ${seconds} s`)
    })

  for (const model of broken)
    test(`with ${model.name} there is a fault`, async () => {
      const { fault } = await explore(model, 0)
      assert.match(fault ?? '', model.isLive === true ? /acceptance cycle/ : /assertion violated/)
    })
})
