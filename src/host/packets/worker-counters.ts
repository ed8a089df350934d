// What a worker counts besides drops. drops.test.ts holds it.

import type { Counters } from '../../core/counters.ts'
import type { FlowCache } from '../flows/flow-cache.ts'

const WALK_US = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000]

/** What a worker counts besides drops. */
export type WorkerCounters = ReturnType<typeof workerCounters>

/** Claims the counters of a worker. */
export function workerCounters(counters: Counters, cache: FlowCache) {
  counters.gauge('flows.live', () => cache.size, 'Flows in the book')
  counters.gauge('flows.masks', () => cache.table.masks, 'Different masks of flows')
  return {
    packets: counters.claim('packets.walked', 'Packets that came up and were walked'),
    stale: counters.claim('flows.stale', 'Flows removed because a tag went stale'),
    walkUs: counters.histogram('walk.us', WALK_US, 'Time of a walk, microseconds')
  }
}
