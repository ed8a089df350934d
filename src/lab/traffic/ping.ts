// Pings of a real kernel by native/lab/ping.c: each answer has the time that was allowed.

/** How echo requests are sent. */
export interface PingOptions {
  /** How many; default 3. */
  readonly count?: number
  /** Bytes of payload; the ICMP header comes on top. */
  readonly size?: number
  /** Don't fragment: true sets it always, false never; otherwise the system does as it likes. */
  readonly df?: boolean
  /** Default: the kernel's. */
  readonly ttl?: number
  /** Time between two. */
  readonly intervalMs?: number
  /** How long an answer may take; 5 s when not given. */
  readonly timeoutMs?: number
  /** Source address or interface. */
  readonly from?: string
}

const TIMEOUT_MS = 5000

/** An ICMP error that came instead of an answer. */
export interface PingError {
  /** Who sent it. */
  readonly from: string
  /** What it said. */
  readonly text: string
  /** Of "fragmentation needed" and "packet too big". */
  readonly mtu: number | undefined
}

/** What came of echo requests. */
export interface PingResult {
  /** Requests. */
  readonly sent: number
  /** Answers, each request's first. */
  readonly received: number
  /** Further answers to the same request. */
  readonly duplicates: number
  /** By sequence number; null where no answer came. */
  readonly rttMs: readonly (number | null)[]
  /** Of the very first packet, which is the one simulated; null when it was lost. */
  readonly first: number | null
  /** When the first answer of all came, of the machine's monotonic clock; null: never. */
  readonly answeredMs: number | null
  /** When the last one that came did; null: never. */
  readonly lastAnsweredMs: number | null
  /** Median of all later ones. */
  readonly later: number | null
  /** TTL or hop limit of the last answer. */
  readonly ttl: number | undefined
  readonly errors: readonly PingError[]
  /** What the program printed. */
  readonly output: string
}

/** A run has no more: each has its number, of 16 bits. */
export const PINGS_MAX = 65_000

/** What `native/lab/ping.c` is told. */
export function pingArguments(ip: string, options: PingOptions): string[] {
  const { count = 3, intervalMs = 20, timeoutMs = TIMEOUT_MS, size = 56, df, ttl, from } = options
  const always = [ip, `${count}`, `${intervalMs}`, `${timeoutMs}`, `${size}`]
  return [...always, df === undefined ? '-' : df ? '1' : '0', `${ttl ?? '-'}`, from ?? '-']
}

/** A bound for the whole run. */
export function pingLimitMs(options: PingOptions): number {
  const { count = 3, intervalMs = 20, timeoutMs = TIMEOUT_MS } = options
  return count * intervalMs + timeoutMs + 10_000
}

interface Told {
  readonly sent: number
  readonly answeredUs: number // 0: never
  readonly lastUs: number
  readonly rttUs: readonly number[] // -1: no answer
  readonly ttl: number
  readonly duplicates: number
  readonly errors: readonly { from: string; text: string; mtu: number }[]
}

const momentOf = (us: number): number | null => (us === 0 ? null : us / 1000)

/** Reads what the program printed. */
export function parsePing(output: string): PingResult {
  const told = JSON.parse(output) as Told
  const { sent, rttUs, ttl, duplicates, errors: refusals } = told
  const rttMs = rttUs.map(us => (us < 0 ? null : us / 1000))
  const errors = refusals.map(each => ({ ...each, mtu: each.mtu === 0 ? undefined : each.mtu }))
  const received = rttMs.filter(rtt => rtt !== null).length
  const [first = null, ...rest] = rttMs
  const later = median(rest.filter(rtt => rtt !== null))
  const about = { sent, received, duplicates, rttMs, first, later, errors, output }
  const [answeredMs, lastAnsweredMs] = [momentOf(told.answeredUs), momentOf(told.lastUs)]
  return { ...about, answeredMs, lastAnsweredMs, ttl: ttl === 0 ? undefined : ttl }
}

/** The middle value; null of none. */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
