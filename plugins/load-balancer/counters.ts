// What the load balancer counts besides the drops, which the walk counts by their reasons.

import type { Counters } from '../../src/plugin.ts'

export type LoadBalancerCounters = ReturnType<typeof claimCounters>

export const claimCounters = (counters: Counters) => ({
  connections: counters.claim('load-balancer.connections', 'Connections given to a member'),
  rebalanced: counters.claim('load-balancer.rebalanced', 'Of these, taken from a member that went'),
  checks: counters.claim('load-balancer.checks', 'Checks of members begun'),
  failures: counters.claim('load-balancer.checks-failed', 'Checks that failed'),
  late: counters.claim('load-balancer.checks-late', 'Checks left out: too many at once'),
  rises: counters.claim('load-balancer.members-up', 'Members that came up'),
  falls: counters.claim('load-balancer.members-down', 'Members that went down'),
  refusals: counters.claim('load-balancer.refusals', 'Clients told that no member is there'),
  refusalsLimited: counters.claim('load-balancer.refusals-limited', 'Not told: too many at once'),
  pings: counters.claim('load-balancer.echo-replies', 'Pings to a virtual address answered')
})
