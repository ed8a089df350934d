// What translation counts besides the drops.

import type { Counters } from '../../src/plugin.ts'

export type NatCounters = ReturnType<typeof claimCounters>

export const claimCounters = (counters: Counters) => ({
  made: counters.claim(
    'nat.translations-made',
    'Translations made up, again for a packet that had to wait'
  ),
  exhausted: counters.claim('nat.exhausted', 'Packets for which no address and port was free'),
  leased: counters.claim('nat.blocks-leased', 'Blocks of ports leased'),
  returned: counters.claim('nat.blocks-returned', 'Blocks of ports given back unused'),
  lost: counters.claim('nat.blocks-lost', 'Blocks of ports lost with the session'),
  dry: counters.claim('nat.blocks-refused', 'Blocks of ports that could not be had')
})
