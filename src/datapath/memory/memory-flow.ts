// A flow as the memory datapath keeps it.

import { ACTION_WORDS, ActionList } from '../../flow/actions.ts'
import type { Limits } from '../../flow/size.ts'
import type { FlowBatch } from '../datapath.ts'

export interface StoredFlow {
  readonly id: number
  readonly actions: ActionList
  readonly ttlMin: number
  readonly limits: Limits
  readonly stateful: boolean
  packets: number
  bytes: number
  usedMs: number
  tcpFlags: number
  tcpNext: number
}

// A copy of the actions of the batch's flow i.
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
