// What the router counts besides the drops, which the walk counts by their reasons.

import type { Counters } from '../../src/plugin.ts'

export type RouterCounters = ReturnType<typeof claimCounters>

/** Claims what routers count. */
export const claimCounters = (counters: Counters) => ({
  echoReplies: counters.claim('router.echo-replies', 'Pings to a router answered'),
  errors: counters.claim('router.errors', 'ICMP errors sent'),
  errorsLimited: counters.claim('router.errors-limited', 'ICMP errors not sent: too many'),
  requests: counters.claim('router.neighbour-requests', 'ARP requests and solicitations sent'),
  answers: counters.claim('router.neighbour-answers', 'ARP replies and advertisements sent'),
  learned: counters.claim('router.neighbour-learned', 'Neighbours found, moved or renewed'),
  refused: counters.claim('router.neighbour-refused', 'What neighbours said and may not say'),
  failed: counters.claim('router.neighbour-failed', 'Neighbours that did not answer'),
  expired: counters.claim('router.neighbour-expired', 'Neighbours forgotten'),
  pendingFull: counters.claim('router.neighbour-pending-full', 'Requests cut short for newer ones'),
  tableFull: counters.claim('router.neighbour-table-full', 'Neighbours that found the table full'),
  learnedRefused: counters.claim('router.learned-refused', 'Learned routes that were none'),
  learnedFull: counters.claim('router.learned-full', 'Learned routes beyond what a router takes'),
  regionsFull: counters.claim('router.regions-full', 'Look-ups tagged coarsely')
})
