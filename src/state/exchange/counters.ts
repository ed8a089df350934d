// What every exchange counts, by name: docs/flow-state.md has a row for each.

import { refusals } from './message.ts'

/** Upper bounds of the acknowledgement times, µs: `acknowledged-us-100` and so on, then `-more`. */
export const ACKNOWLEDGED_US = [100, 200, 300, 500, 1000, 2000, 5000, 20_000, 100_000] as const

/** The names, in one list: docs/flow-state.md has a row for each. */
export const exchangeCounters = [
  'messages-sent',
  'messages-received',
  'bytes-sent',
  'bytes-received',
  'entries-sent',
  'entries-received',
  'acknowledged',
  'retransmitted',
  'given-up',
  'held',
  'bound-passed',
  'passed-over',
  'queued',
  'queue-full',
  'overflowed',
  'owed',
  'pulls',
  'pulls-found',
  'pulls-missed',
  'sessions',
  'peers-lost',
  ...refusals.map(reason => `refused-${reason}` as const),
  ...ACKNOWLEDGED_US.map(us => `acknowledged-us-${us}` as const),
  'acknowledged-us-more',
  'acknowledged-us-sum'
] as const

export type ExchangeCounter = (typeof exchangeCounters)[number]

/** How often each of `exchangeCounters` happened. */
export type ExchangeCounts = Record<ExchangeCounter, number>

/** All counters at 0. */
export const noCounts = (): ExchangeCounts =>
  Object.fromEntries(exchangeCounters.map(name => [name, 0])) as ExchangeCounts

/** Counts an acknowledgement that took so many microseconds. */
export function countAcknowledged(counts: ExchangeCounts, us: number): void {
  counts.acknowledged++
  counts['acknowledged-us-sum'] += us
  const bound = ACKNOWLEDGED_US.find(each => us <= each)
  if (bound === undefined) counts['acknowledged-us-more']++
  else counts[`acknowledged-us-${bound}`]++
}
