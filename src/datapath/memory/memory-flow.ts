// A flow as the memory datapath keeps it.

import { ACTION_WORDS, ActionList } from '../../flow/actions.ts'
import type { Limits } from '../../flow/size.ts'
import type { FlowBatch } from '../datapath.ts'

/** A flow with its use. */
export interface StoredFlow {
  /** The caller's. */
  readonly id: number
  /** Physical actions; none: it drops. */
  readonly actions: ActionList
  /** FlowBatch.ttlMin. */
  readonly ttlMin: number
  readonly limits: Limits
  /** FlowBatch.stateful. */
  readonly stateful: boolean
  /** Since it was installed. */
  packets: number
  /** Since it was installed. */
  bytes: number
  /** When its last packet came, on Clock.now()'s scale. */
  usedMs: number
  /** Of all its packets, or-ed; 0 unless it is stateful. */
  tcpFlags: number
  /** Behind the furthest byte sent; 0: not known. */
  tcpNext: number
}

/** A copy of the actions of the batch's flow i. */
export function readActions(batch: FlowBatch, i: number): ActionList {
  const count = batch.actionCount[i]!
  const actions = new ActionList(Math.max(1, count))
  for (let n = 0; n < count; n++) {
    const at = (batch.actionAt[i]! + n) * ACTION_WORDS
    const w = batch.actions
    actions.push(w[at]!, w[at + 1], w[at + 2], w[at + 3], w[at + 4])
  }
  return actions
}
