// All agents die, and nothing was kept of what they knew: what the kernels go on forwarding vouches
// for its connections, where nobody translates them.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { keepsInvariants, Network } from './fixtures/index.ts'
import { Crowds } from './survival/crowds.ts'
import { faults } from './survival/faults.ts'
import { Ground } from './survival/ground.ts'

const skip = Network.skip()
const EACH = 20 // × 2 classes × 2 directions

describe('all agents begin anew, and nothing was kept', { skip }, () => {
  let ground: Ground
  let crowds: Crowds

  before(async () => {
    const agents = { stateStore: { kind: 'none' as const } }
    ground = await Ground.open({ prefix: 'mz-lab-forgotten', agents })
    crowds = await Crowds.open(ground, EACH, ['plain', 'firewall'])
  })

  after(async () => {
    await crowds?.close()
    await ground?.close()
  })

  test('ST-03: no connection is lost that is not translated', async t => {
    const outcomes = await crowds.suffer(faults.find(({ name }) => name === 'all restarted')!)
    for (const { class: of, speaks, survived, total, gap_ms_p99 } of outcomes)
      t.diagnostic(`${of}, ${speaks} speaks: ${survived} of ${total}, p99 ${gap_ms_p99} ms`)
    assert.deepEqual(
      outcomes.filter(({ survived, total }) => survived < total),
      []
    )
    await keepsInvariants(ground.net, 'nothing was kept')
  })
})
