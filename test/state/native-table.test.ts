// The state table in native memory, by the contract.

import { test } from 'node:test'
import { loadAddon } from '../../src/native/addon.ts'
import { NativeStateTable } from '../../src/native/state-table.ts'
import { TIMEOUTS } from './kinds.ts'
import { tableContract } from './table-contract.ts'

const missing = (): string | undefined => {
  try {
    loadAddon()
    return undefined
  } catch (error) {
    return String(error)
  }
}

const reason = missing()
if (reason !== undefined) test('native state table', { skip: reason })
else
  tableContract('native state table', (capacity, timeouts = TIMEOUTS) => {
    const table = new NativeStateTable({ capacity, timeouts })
    const at = (ms: number): void => table.stopClock(ms)
    at(0)
    return { table, at }
  })
