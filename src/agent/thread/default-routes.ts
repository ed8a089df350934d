// What the default routes of this thread's network namespace leave by.  A route table of /proc is
// read whole, so only when somebody has an interface to judge.

import { readFileSync } from 'node:fs'

const REJECT = 0x0200

/** Names of interfaces with a default route, IPv4 or IPv6. */
export const leadOut = (): ReadonlySet<string> =>
  new Set([...defaultsOf4(read('net/route')), ...defaultsOf6(read('net/ipv6_route'))])

// Iface Destination Gateway Flags RefCnt Use Metric Mask …
function defaultsOf4(rows: readonly (readonly string[])[]): string[] {
  return rows.flatMap(([name, to, , , , , , mask]) =>
    name !== undefined && to === '00000000' && mask === '00000000' ? [name] : []
  )
}

// destination length source length next-hop metric references use flags name
function defaultsOf6(rows: readonly (readonly string[])[]): string[] {
  return rows.flatMap(([, length, , , , , , , flags = '0', name]) =>
    name !== undefined && length === '00' && (Number.parseInt(flags, 16) & REJECT) === 0
      ? [name]
      : []
  )
}

function read(table: string): string[][] {
  try {
    const text = readFileSync(`/proc/thread-self/${table}`, 'latin1')
    return text.split('\n').map(line => line.trim().split(/\s+/))
  } catch {
    return [] // a kernel without IPv6
  }
}
