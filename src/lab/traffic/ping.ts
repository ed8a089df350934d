// Pings through the system's own `ping`, so that the sender is a real kernel and a real client.

import { LabError, type RunResult } from '../process/process.ts'

export interface PingOptions {
  readonly count?: number
  /** Bytes of payload; the ICMP header comes on top. */
  readonly size?: number
  /** Don't fragment: true sets it always, false never; otherwise the system does as it likes. */
  readonly df?: boolean
  readonly ttl?: number
  readonly intervalMs?: number
  /** How long an answer may take; 5 s when not given. */
  readonly timeoutMs?: number
  /** Source address or interface. */
  readonly from?: string
}

const TIMEOUT_MS = 5000

export interface PingError {
  readonly from: string
  readonly text: string
  /** Of "fragmentation needed" and "packet too big". */
  readonly mtu: number | undefined
}

export interface PingResult {
  readonly sent: number
  readonly received: number
  readonly duplicates: number
  /** By sequence number; null where no answer came. */
  readonly rttMs: readonly (number | null)[]
  /** Of the very first packet, which is the one simulated; null when it was lost. */
  readonly first: number | null
  /** Median of all later ones. */
  readonly later: number | null
  /** TTL or hop limit of the last answer. */
  readonly ttl: number | undefined
  readonly errors: readonly PingError[]
  readonly output: string
}

export function pingCommand(ip: string, options: PingOptions): string[] {
  const { count = 3, intervalMs = 20, timeoutMs = TIMEOUT_MS } = options
  const fixed = ['ping', '-n', '-c', `${count}`, '-i', `${intervalMs / 1000}`]
  return [
    ...fixed,
    ...['-W', `${timeoutMs / 1000}`],
    ...(options.size === undefined ? [] : ['-s', `${options.size}`]),
    ...(options.df === undefined ? [] : ['-M', options.df ? 'do' : 'dont']),
    ...(options.ttl === undefined ? [] : ['-t', `${options.ttl}`]),
    ...(options.from === undefined ? [] : ['-I', options.from]),
    ip
  ]
}

/** A bound for the whole run: ping itself waits for stragglers at the end only. */
export function pingLimitMs(options: PingOptions): number {
  const { count = 3, intervalMs = 20, timeoutMs = TIMEOUT_MS } = options
  return count * (intervalMs + timeoutMs) + 10_000
}

const REPLY = /icmp_seq=(\d+) (?:ttl|hop limit)=(\d+)(?: time=([\d.]+) ms)?(.*)$/
const FAULT = /^From (\S+?):? icmp_seq=\d+ (.*)$/
const MTU = /mtu ?= ?(\d+)/
// The kernel of the sender has learned the path's MTU and refuses by itself.
const LOCAL = /^ping: (?:local error: )?(.*)$/

export function parsePing(result: RunResult, options: PingOptions): PingResult {
  const output = result.stdout + result.stderr
  const totals = /(\d+) packets transmitted, (\d+) received/.exec(output)
  if (totals === null) throw new LabError(`ping: ${output.trim().slice(0, 500)}`)
  const rttMs = new Array<number | null>(options.count ?? 3).fill(null)
  const errors: PingError[] = []
  let duplicates = 0
  let ttl: number | undefined
  for (const line of output.split('\n')) {
    const reply = REPLY.exec(line)
    if (reply !== null) {
      if (reply[4]!.includes('DUP!')) duplicates++
      // A payload too short for a time stamp has no time: it has arrived all the same.
      else rttMs[Number(reply[1]) - 1] = Number(reply[3] ?? 0)
      ttl = Number(reply[2])
      continue
    }
    const fault = parseFault(line)
    if (fault !== undefined) errors.push(fault)
  }
  const [first = null, ...rest] = rttMs
  const sent = Number(totals[1])
  const received = Number(totals[2])
  const later = median(rest.filter(rtt => rtt !== null))
  return { sent, received, duplicates, rttMs, first, later, ttl, errors, output }
}

function parseFault(line: string): PingError | undefined {
  const remote = FAULT.exec(line)
  const text = remote?.[2] ?? LOCAL.exec(line)?.[1]
  if (text === undefined) return undefined
  const mtu = MTU.exec(text)
  return { from: remote?.[1] ?? 'local', text, mtu: mtu === null ? undefined : Number(mtu[1]) }
}

export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
