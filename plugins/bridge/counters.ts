// What the bridges of a worker count, together.  Drops are counted by the worker, by reason.

import type { Counters } from '../../src/plugin.ts'

export interface BridgeCounters {
  readonly learned: { value: number }
  readonly aged: { value: number }
  readonly evicted: { value: number }
  readonly refused: { value: number }
  readonly badEntries: { value: number }
  readonly answered: { value: number }
}

export const bridgeCounters = (counters: Counters): BridgeCounters => ({
  learned: counters.claim('bridge.macs-learned', 'Addresses heard anew or at another port'),
  aged: counters.claim('bridge.macs-aged', 'Addresses forgotten because they were silent'),
  evicted: counters.claim('bridge.macs-evicted', 'Addresses forgotten because the table was full'),
  refused: counters.claim('bridge.macs-refused', 'Addresses not learned: no room'),
  badEntries: counters.claim('bridge.bad-entries', 'Entries of shared tables that make no sense'),
  answered: counters.claim('bridge.neighbours-answered', 'ARP and ND answered by a bridge')
})
