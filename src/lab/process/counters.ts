// What can be counted from outside: the frames of an interface, the time and memory of a process.

import { readFileSync } from 'node:fs'
import { LabError } from './process.ts'

/** What an interface counts in one direction. */
export interface Direction {
  /** Whole packets. */
  readonly packets: number
  /** Of those. */
  readonly bytes: number
  /** Packets that were broken. */
  readonly errors: number
  /** Packets there was no room for. */
  readonly dropped: number
}

/** What an interface counts. */
export interface Counters {
  /** What came in. */
  readonly rx: Direction
  /** What went out. */
  readonly tx: Direction
}

/** Of the output of `ip -j -s link show dev`. */
export function parseCounters(text: string): Counters {
  const stats = (JSON.parse(text) as { stats64?: Counters }[])[0]?.stats64
  if (stats === undefined) throw new LabError(`no counters in ${text.slice(0, 200)}`)
  return { rx: direction(stats.rx), tx: direction(stats.tx) }
}

const direction = ({ packets, bytes, errors, dropped }: Direction): Direction => ({
  packets,
  bytes,
  errors,
  dropped
})

/** What a process uses. */
export interface Usage {
  /** User and system time since the process began, all threads. */
  readonly cpuMs: number
  /** Resident memory. */
  readonly rssBytes: number
}

// USER_HZ, what /proc counts processor time in, is 100 on every Linux that Node runs on.
const TICK_MS = 10

/** Time and memory of a process; an error when there is none. */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in brackets, which may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    rssBytes: Number(rss?.[1] ?? 0) * 1024
  }
}
