// The table of whoever keeps no state: walks that only look at devices.

import { Put, type StateTable } from './table.ts'

/** A table that is empty and takes nothing. */
export const NoState: StateTable = Object.freeze({
  size: 0,
  capacity: 0,
  lastId: 0,
  next: 0,
  evicted: 0,
  untold: 0,
  find: () => 0,
  read: () => false,
  stamp: () => 0,
  put: () => Put.refused,
  note: () => false,
  remove: () => false,
  expire: () => 0,
  scan: () => 0,
  count: () => 0,
  heldBy: () => 0,
  close: () => {}
})
