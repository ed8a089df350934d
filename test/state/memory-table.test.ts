// The state table in TypeScript, by the contract.

import { LIFETIMES_DEFAULT } from '../../src/state/lifetimes.ts'
import { MemoryStateTable } from '../../src/state/memory-table.ts'
import { tableContract } from './table-contract.ts'

tableContract('memory state table', (capacity, lifetimes = LIFETIMES_DEFAULT) => {
  let now = 0
  const at = (ms: number): void => {
    now = ms
  }
  return { table: new MemoryStateTable({ capacity, lifetimes, now: () => now }), at }
})
