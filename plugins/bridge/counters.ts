// What the bridges of a worker count, together.  Drops are counted by the worker, by reason.

import type { Counters } from '../../src/plugin.ts'

/** What bridges count. */
export interface BridgeCounters {
  /** Addresses heard anew, or at another port. */
  readonly learned: { value: number }
  /** Addresses forgotten because they were silent. */
  readonly aged: { value: number }
  /** Addresses forgotten to make room. */
  readonly evicted: { value: number }
  /** Addresses not learned for want of room. */
  readonly refused: { value: number }
  /** Entries of the shared table that make no sense. */
  readonly badEntries: { value: number }
  /** Questions that the bridge answered itself. */
  readonly answered: { value: number }
}

/** Claims the counters. */
export const bridgeCounters = (counters: Counters): BridgeCounters => ({
  learned: counters.claim('bridge.macs-learned', 'Addresses heard anew or at another port'),
  aged: counters.claim('bridge.macs-aged', 'Addresses forgotten because they were silent'),
  evicted: counters.claim('bridge.macs-evicted', 'Addresses forgotten because the table was full'),
  refused: counters.claim('bridge.macs-refused', 'Addresses not learned: no room'),
  badEntries: counters.claim('bridge.bad-entries', 'Entries of shared tables that make no sense'),
  answered: counters.claim('bridge.neighbours-answered', 'ARP and ND answered by a bridge')
})
