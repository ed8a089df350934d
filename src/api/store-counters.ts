// What there is to count of a store, beside what the API counts itself.

import type { Counters } from '../core/counters.ts'
import type { Store } from '../topology/store.ts'

/** What there is to count of it, under `store.`. */
export function countStore(store: Store, counters: Counters): void {
  const { gauges, counters: counted } = store.report()
  for (const name of Object.keys(gauges))
    counters.gauge(`store.${name}`, () => store.report().gauges[name] ?? 0)
  for (const name of Object.keys(counted))
    counters.gauge(`store.${name}`, () => store.report().counters[name] ?? 0)
  counters.gauge('store.away-ms', () => store.report().awayMs, 'Time without the store, ms')
  counters.gauge('store.lag-ms', () => store.report().lagMs, 'Age of changes yet to come, ms')
}
