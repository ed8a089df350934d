// What the native exchange counts, in the order of enum exchange_counter of
// native/addon/exchange/parts.h, made of the lists of native/include/abi.h.
// Names that the exchange in TypeScript has too mean the same.

import { MessageType, refusals } from '../state/exchange/message.ts'

/** Types of messages, from 1, as counters name them. */
export const messageTypes = Object.keys(MessageType).map(type =>
  type.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
)

/** Upper bounds of the acknowledgement times, µs. */
export const acknowledgedUs = [100, 200, 300, 500, 1000, 2000, 5000, 20_000, 100_000] as const

/** What is so now, rather than counted. */
export const exchangeGauges = [
  'held-now',
  'under-way-now',
  'pulls-now',
  'peers',
  'hosts-alive',
  'agents-alive',
  'realtime' // 1: the thread runs before ordinary ones
] as const

/** Behind those by type, refusal and time of acknowledgement. */
export const plainCounts = [
  'messages-received',
  'acknowledged',
  'held',
  'queued',
  'bytes-sent',
  'bytes-received',
  'entries-sent',
  'entries-received',
  'entries-added',
  'entries-merged',
  'entries-replaced',
  'entries-refused',
  'retransmitted',
  'given-up',
  'bound-passed',
  'passed-over',
  'hold-full',
  'queue-full',
  'overflowed',
  'owed',
  'pulls',
  'pulls-found',
  'pulls-missed',
  'pulls-answered',
  'pulls-unknown',
  'events-lost',
  'news-full',
  'send-failed',
  'dropped',
  'late-wakeups',
  'peers-full',
  'sessions',
  'peers-lost'
] as const

/** Names in the order in which native code has the values. */
export const exchangeCounts = [
  ...messageTypes.map(type => `sent-${type}`),
  ...messageTypes.map(type => `received-${type}`),
  ...refusals.map(reason => `refused-${reason}`),
  ...acknowledgedUs.map(us => `acknowledged-us-${us}`),
  'acknowledged-us-more',
  'acknowledged-us-sum',
  ...plainCounts,
  ...exchangeGauges
]

/** Where in that order the gauges begin. */
export const ExchangeCount = {
  firstOfNow: exchangeCounts.length - exchangeGauges.length
} as const

/** The values by name, with the sums that both exchanges have. */
export function readCounts(values: Float64Array): Record<string, number> {
  const counts: Record<string, number> = { 'messages-sent': 0 }
  for (const [i, name] of exchangeCounts.entries()) {
    counts[name] = values[i]!
    if (name.startsWith('sent-')) counts['messages-sent']! += values[i]!
  }
  return counts
}
