// Fully asymmetric paths with state messages lost: no handshake needs a second try, and nothing is
// dropped for want of state.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Network, patient } from './fixtures/index.ts'
import { asymmetric } from './survival/asymmetric.ts'

const skip = Network.skip()
const CONNECTIONS = 200
const PACE = { perSecond: 100, atOnce: 8 } // on a busy machine fewer a second
// A machine that stands still for a second has TCP ask again; a fault does so each time.
const RUNS_MAX = 3

describe('ST-01, CT-02: forward by gateway 1, return by gateway 2', { skip }, () => {
  for (const lossPerMille of [0, 10, 100])
    test(`${lossPerMille / 10} % of the state messages lost`, async t => {
      const prefix = 'mz-lab-asymmetric'
      const figures = { lossPerMille, connections: CONNECTIONS, ...PACE }
      const retransmitted: number[] = []
      do {
        const run = await asymmetric({ prefix, ...figures, state: patient })
        t.diagnostic(JSON.stringify(run))
        const { failed, wrong_drops: drops } = run
        assert.deepEqual({ failed, drops }, { failed: 0, drops: 0 })
        if (lossPerMille > 0) assert.ok(run.messages_lost > 0, 'messages were lost')
        retransmitted.push(run.syn_retransmits)
      } while (!retransmitted.includes(0) && retransmitted.length < RUNS_MAX)
      assert.ok(retransmitted.includes(0), `SYNs sent again: ${retransmitted}`)
    })
})
