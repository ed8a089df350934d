// Fully asymmetric paths with state messages lost: no handshake needs a second try, and nothing is
// dropped for want of state.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Network, patient } from './fixtures/index.ts'
import { asymmetric } from './survival/asymmetric.ts'

const skip = Network.skip()
const CONNECTIONS = 200
const PACE = { perSecond: 100, atOnce: 8 } // on a busy machine fewer a second

describe('ST-01, CT-02: forward by gateway 1, return by gateway 2', { skip }, () => {
  for (const lossPerMille of [0, 10, 100])
    test(`${lossPerMille / 10} % of the state messages lost`, async t => {
      const prefix = 'mz-lab-asymmetric'
      const figures = { lossPerMille, connections: CONNECTIONS, ...PACE }
      const run = await asymmetric({ prefix, ...figures, state: patient })
      t.diagnostic(JSON.stringify(run))
      assert.deepEqual(
        { failed: run.failed, syn: run.syn_retransmits, drops: run.wrong_drops },
        { failed: 0, syn: 0, drops: 0 }
      )
      if (lossPerMille > 0) assert.ok(run.messages_lost > 0, 'messages were lost')
    })
})
