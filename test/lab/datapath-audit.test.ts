// The audit of the kernel's flow table: what nobody answers for goes, round after round.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { FlowBatch } from '../../src/datapath/datapath.ts'
import { ActionList } from '../../src/flow/actions.ts'
import { WORDS, Word } from '../../src/flow/key.ts'
import { Bench, canRun } from './datapath-lab.ts'

const FLOWS = 2500

describe('the audit', { skip: canRun }, () => {
  const bench = new Bench()

  before(() => bench.namespace('audit'))
  after(() => bench.close())

  test('takes out what is not ours, and sees what comes later', () => {
    const datapath = bench.open('audit')
    const mask = new Int32Array(WORDS)
    mask[Word.l4Ports] = -1
    const actions = new ActionList()
    const batch = new FlowBatch(FLOWS)
    const install = (from: number, count: number): void => {
      batch.clear()
      for (let id = from; id < from + count; id++) {
        const key = new Int32Array(WORDS)
        key[Word.l4Ports] = id
        batch.add(id, key, mask, 0, actions)
      }
      datapath.install(batch)
    }
    const round = (isOurs: (id: number) => boolean): number => {
      let gone = 0
      for (let slice = 0; slice < 8; slice++)
        gone += datapath.audit((id, keys, at) => keys[at + Word.l4Ports] === id && isOurs(id))
      return gone
    }
    install(1, FLOWS)
    assert.equal(
      round(() => true),
      0
    )
    assert.equal(
      round(id => id % 10 !== 0),
      FLOWS / 10
    )
    assert.equal(
      round(id => id % 10 !== 0),
      0
    )
    install(3000, 5)
    assert.equal(
      round(id => id !== 3001),
      1
    )
  })
})
