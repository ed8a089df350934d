// Connections of every class, spoken by either end, and what happens to hosts and ports meanwhile.
// Counted as the goals count: the same socket at both ends, no reset, bytes go on in sequence.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { keepsInvariants, Network } from './fixtures/index.ts'
import { Crowds } from './survival/crowds.ts'
import { faults } from './survival/faults.ts'
import { Ground } from './survival/ground.ts'

const skip = Network.skip()
const EACH = 20 // × 4 classes × 2 directions
const ids: Readonly<Record<string, string>> = {
  'gateway killed': 'ST-01, SN-01, SN-03: ',
  'port moved': 'MIG-01, ST-02: ',
  'port moved back': 'MIG-01, ST-02: ',
  'compute restarted': 'ST-03, INV-23: ',
  'gateway restarted': 'ST-03, INV-23: ',
  'all restarted': 'ST-03, INV-23: ',
  'all restarted twice': 'ST-03, INV-23: '
}

describe('no connection is lost', { skip }, () => {
  let ground: Ground
  let crowds: Crowds

  before(async () => {
    ground = await Ground.open({ prefix: 'mz-lab-survival' })
    crowds = await Crowds.open(ground, EACH)
  })

  after(async () => {
    await crowds?.close()
    await ground?.close()
  })

  for (const fault of faults)
    test(`${ids[fault.name] ?? ''}${fault.name}`, async t => {
      const outcomes = await crowds.suffer(fault)
      for (const each of outcomes)
        t.diagnostic(
          `${each.class}, ${each.speaks} speaks: ${each.survived} of ${each.total}, ` +
            `silent ${each.gap_ms_p50} ms, p99 ${each.gap_ms_p99} ms`
        )
      const lost = outcomes.filter(({ survived, total }) => survived < total)
      assert.deepEqual(lost, [])
      await keepsInvariants(ground.net, fault.name)
    })
})
