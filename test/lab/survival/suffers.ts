// Connections of every class, spoken by either end, on one ground, and a test for each thing that
// happens to them. Counted as the goals count: the same socket at both ends, no reset, bytes go on
// in sequence.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { keepsInvariants } from '../fixtures/index.ts'
import { Crowds, type Fault } from './crowds.ts'
import { Ground, type GroundOptions } from './ground.ts'

export interface Suffering extends GroundOptions {
  readonly skip: boolean | string
  /** Connections of each of the four classes, in each of two directions. */
  readonly each: number
  /** In their order: each begins where the one before has ended. */
  readonly faults: readonly Fault[]
  /** Of behaviours, by the fault that shows them. */
  readonly ids: Readonly<Record<string, string>>
}

/** Declares the tests: none of the connections is lost. */
export function suffers(title: string, { skip, each, faults, ids, ...options }: Suffering): void {
  describe(title, { skip }, () => {
    let ground: Ground
    let crowds: Crowds

    before(async () => {
      ground = await Ground.open(options)
      crowds = await Crowds.open(ground, each)
    })

    after(async () => {
      await crowds?.close()
      await ground?.close()
    })

    for (const fault of faults)
      test([ids[fault.name], fault.name].filter(Boolean).join(': '), async t => {
        const outcomes = await crowds.suffer(fault)
        for (const one of outcomes)
          t.diagnostic(
            `${one.class}, ${one.speaks} speaks: ${one.survived} of ${one.total}, ` +
              `silent ${one.gap_ms_p50} ms, p99 ${one.gap_ms_p99} ms`
          )
        const lost = outcomes.filter(({ survived, total }) => survived < total)
        assert.deepEqual(lost, [])
        await keepsInvariants(ground.net, fault.name, ground.upstream?.cutPorts)
      })
  })
}
