// Connections of every class while gateways that speak BGP, their uplinks and the routers outside
// die and come back: no connection is lost, and nobody outside is told by hand. The flagship in
// small; `npm run survive -- --uplinks` is the large one.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { missingForBird } from '../../src/lab/services/bird.ts'
import { keepsInvariants, Network } from './fixtures/index.ts'
import { Crowds } from './survival/crowds.ts'
import { Ground } from './survival/ground.ts'
import { uplinkFaults } from './survival/uplink-faults.ts'

const skip = Network.skip() || (missingForBird() ?? false)
const EACH = 10 // × 4 classes × 2 directions
const ids: Readonly<Record<string, string>> = {
  'gateway killed': 'BGP-01, ST-01: ',
  'gateway back': 'BGP-03: ',
  'uplink cut': 'BGP-02: ',
  'uplink mended': 'BGP-03: ',
  'upstream router killed': 'BGP-08: '
}

describe('no connection is lost by uplinks', { skip }, () => {
  let ground: Ground
  let crowds: Crowds

  before(async () => {
    ground = await Ground.open({ prefix: 'mz-lab-uplinks', bgp: true })
    crowds = await Crowds.open(ground, EACH)
  })

  after(async () => {
    await crowds?.close()
    await ground?.close()
  })

  for (const fault of uplinkFaults)
    test(`${ids[fault.name] ?? ''}${fault.name}`, async t => {
      const outcomes = await crowds.suffer(fault)
      for (const each of outcomes)
        t.diagnostic(
          `${each.class}, ${each.speaks} speaks: ${each.survived} of ${each.total}, ` +
            `silent ${each.gap_ms_p50} ms, p99 ${each.gap_ms_p99} ms`
        )
      const lost = outcomes.filter(({ survived, total }) => survived < total)
      assert.deepEqual(lost, [])
      await keepsInvariants(ground.net, fault.name, ground.upstream!.cutPorts)
    })
})
