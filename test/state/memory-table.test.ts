// The state table in TypeScript, by the contract.

import { MemoryStateTable } from '../../src/state/memory-table.ts'
import { TIMEOUTS } from './kinds.ts'
import { tableContract } from './table-contract.ts'

tableContract('memory state table', (capacity, timeouts = TIMEOUTS) => {
  let now = 0
  const at = (ms: number): void => {
    now = ms
  }
  return { table: new MemoryStateTable({ capacity, timeouts, now: () => now }), at }
})
