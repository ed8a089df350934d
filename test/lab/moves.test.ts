// What moves and agents that are gone do to connections, on eBPF and real agents.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Network } from './fixtures/index.ts'
import type { Outcome } from './survival/crowds.ts'
import { moving } from './survival/moving.ts'
import { unattended } from './survival/unattended.ts'

const skip = Network.skip()
const MOVES = 10
const EACH = 40
// Past the time after which the store takes an agent's session for dead, and some more.
const SECONDS = 40
// Before the store would tell anybody.
const UNHEARD_MS = 10_000
// 200 by `npm run survive`; no more at once than a busy machine opens within a second.
const PACE = { perSecond: 25, atOnce: 8 }
// A minute and a half for an idle machine, both together; the file has ten.
const timeout = 280_000

const lost = (outcomes: readonly Outcome[]): unknown[] =>
  outcomes.filter(({ survived, total }) => survived < total)

describe('connections, ports that move, and agents that are gone', { skip }, () => {
  test('D1: ten moves to and fro lose nothing, and after each everything opens', {
    timeout
  }, async t => {
    const run = await moving('mz-lab-moves', MOVES, EACH)
    t.diagnostic(JSON.stringify(run))
    assert.deepEqual(lost(run.outcomes), [])
    assert.deepEqual([run.failed, run.opened], [0, MOVES * 2 * EACH])
  })

  test('D2: of a gateway whose agent is killed, its links up, nobody has to know', {
    timeout
  }, async t => {
    const options = { seconds: SECONDS, ...PACE, each: 10 }
    const run = await unattended({ prefix: 'mz-lab-moves', ...options })
    t.diagnostic(JSON.stringify(run))
    assert.deepEqual(lost(run.outcomes), [])
    assert.deepEqual([run.failed, run.no_neighbour], [0, 0])
    // Without another gateway's help all of them are, or half; a machine that is busy has its own.
    assert.ok(run.slow < run.connections / 10, `${run.slow} of ${run.connections} were slow`)
    const gaps = run.outcomes.map(({ gap_ms_p99 }) => gap_ms_p99)
    assert.ok(Math.max(...gaps) < UNHEARD_MS, `silent for ${gaps} ms`)
  })
})
