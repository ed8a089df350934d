// What a soak looks at: of each agent its tables, leases, files and memory; of the store what it
// keeps.  Everything here is a level, not a count that may only grow.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { usageOf } from '../../src/lab/index.ts'
import type { AgentUsage } from '../lab/fixtures/index.ts'
import type { Ground } from '../lab/survival/ground.ts'
import type { Allowance, Sample } from './judge.ts'

const TABLES = [
  ...['state.connection', 'state.snat', 'state.dnat', 'state.sticky', 'nat.blocks-held'],
  ...['flows.live', 'datapath.flows', 'datapath.masks', 'datapath.chunks'],
  ...['waiting.packets', 'state.held-now', 'state.peers']
]

/** The first that matches counts. */
export const ALLOWANCES: readonly Allowance[] = [
  // A few hundred new ones a second come and go in bursts.
  { of: /^(state|flows|datapath)\.|^waiting/, part: 0.1, plus: 60 },
  { of: /blocks-held|^leases/, part: 0.1, plus: 4 },
  // The oldest sixteenth goes at a time.
  { of: /^journal-files/, part: 0.1, plus: 3 },
  { of: /^journal-bytes/, part: 0.15, plus: 1 << 18 },
  { of: /^(fds|threads|resources)/, part: 0, plus: 4, isProcess: true },
  // An arena more or less; 300 connections a second that leave 50 bytes each leave 9 MB in 10 min.
  { of: /^rss-bytes/, part: 0.03, plus: 4e6, isProcess: true },
  { of: /(heap|external)-bytes/, part: 0.05, plus: 3e6, isProcess: true },
  // A log keeps its newest thousands, however old: a change a second is too many for calm.
  { of: /^rows\.\w+_log/, part: 0, plus: 600 },
  // A row for each block that was ever leased: soak.ts has 128 of them.
  { of: /^rows\.leases/, part: 0, plus: 128 },
  { of: /^rows\./, part: 0.05, plus: 20 },
  { of: /^file-bytes/, part: 0.05, plus: 1 << 18 },
  // SQLite writes its log from the front again after a thousand pages.
  { of: /^wal-bytes/, part: 0, plus: 4.5e6 }
]

/** What must have been there, or the soak has shown nothing. */
export const ALIVE: readonly string[] = [
  ...['compute1', 'gateway1', 'gateway2'].map(host => `${host} state.connection`),
  ...['compute1 state.snat', 'compute1 nat.blocks-held', 'store leases-held'],
  ...['gateway1 state.dnat', 'compute1 datapath.flows', 'compute1 journal-bytes']
]

export async function sample(ground: Ground, atS: number): Promise<Sample[]> {
  const agents = [...ground.net.hosts].map(async (host): Promise<Sample> => {
    const usage = await ground.net.agent(host).usage()
    return { atS, subject: host, pid: usage.pid, values: valuesOf(ground, host, usage) }
  })
  return [...(await Promise.all(agents)), { atS, subject: 'store', pid: 0, values: stored(ground) }]
}

function valuesOf({ net }: Ground, host: string, usage: AgentUsage): Record<string, number> {
  const { pid, counters, kept, heapBytes, externalBytes, resources } = usage
  const journal = filesIn(join(net.lab.folder, 'flow-state', net.hostId(host)))
  return {
    ...Object.fromEntries(TABLES.map(name => [name, counters[name] ?? 0])),
    'journal-files': journal.count,
    'journal-bytes': journal.bytes,
    'journal-queued-bytes': kept['state.store-queued-bytes'] ?? 0,
    fds: readdirSync(`/proc/${pid}/fd`).length,
    threads: Number(/^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
    'rss-bytes': usageOf(pid).rssBytes,
    'heap-bytes': heapBytes,
    'external-bytes': externalBytes,
    'packet-heap-bytes': counters['agent.heap-bytes'] ?? 0,
    'packet-external-bytes': counters['agent.external-bytes'] ?? 0,
    resources
  }
}

function filesIn(folder: string): { count: number; bytes: number } {
  if (!existsSync(folder)) return { count: 0, bytes: 0 }
  const sizes = readdirSync(folder).map(name => sizeOf(join(folder, name)))
  return { count: sizes.length, bytes: sizes.reduce((a, b) => a + b, 0) }
}

// A file of the journal may go while we look.
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

function stored({ net }: Ground): Record<string, number> {
  const path = join(net.lab.folder, 'store.db')
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const count = (what: string): number =>
      Number(database.prepare(`SELECT count(*) AS n FROM ${what}`).get()?.n)
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
    const rows = tables.map(({ name }) => [`rows.${name}`, count(`${name}`)] as const)
    return {
      ...Object.fromEntries(rows),
      'leases-held': count('leases WHERE session IS NOT NULL'),
      'file-bytes': sizeOf(path),
      'wal-bytes': sizeOf(`${path}-wal`)
    }
  } finally {
    database.close()
  }
}
