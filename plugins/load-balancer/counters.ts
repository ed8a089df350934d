// What the load balancer counts besides the drops, which the walk counts by their reasons.

import type { Counters } from '../../src/plugin.ts'

export type LoadBalancerCounters = ReturnType<typeof claimCounters>

export const claimCounters = (counters: Counters) => ({
  connections: counters.claim('load-balancer.connections', 'Connections given to a member'),
  rebalanced: counters.claim('load-balancer.rebalanced', 'Of these, taken from a member that went'),
  pings: counters.claim('load-balancer.echo-replies', 'Pings to a virtual address answered')
})
